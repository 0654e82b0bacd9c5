/**
 * Looks at the ledger while it is at work: each half second the logs of the live runs and of those that just ended,
 * what is new in their event streams, and by turns the logs of runs that ended long ago. It only reads, past the
 * ways that are cut. While Redis is away a look waits for it.
 */
import { setTimeout as delay } from "node:timers/promises";
import { isTerminal, type RunId, type RunStatus, runIdSchema } from "@baton/core";
import type { RedisClient } from "@baton/store";
import { runKeys, shardKeys, unpackLog } from "@baton/store";
import { z } from "zod";
import { digestOf } from "./check-digest.ts";
import { writeLine } from "./files.ts";
import type { LogSample, SeenEvent } from "./history.ts";

const LOOK_EVERY_MS = 500;
const LIVE_MAX = 200;
const ENDED_A_LOOK = 15;
const EVENTS_A_LOOK = 500;

export interface SeenRun {
  readonly id: RunId;
  readonly mark: string;
  readonly status: RunStatus;
  readonly epoch: number;
  /** When it was first seen at work, in milliseconds since 1970. */
  readonly startedAt: number | undefined;
}

const specSchema = z.object({ metadata: z.object({ mark: z.string() }) });

export class Observer {
  readonly #redis: RedisClient;
  readonly #folder: string;
  readonly #onSeen: (run: SeenRun) => void;
  readonly #runs = new Map<RunId, SeenRun>();
  readonly #lastEvents = new Map<RunId, string>();
  readonly #ended: RunId[] = [];
  #isStopped = false;
  #looking: Promise<void> = Promise.resolve();

  /** `onSeen` hears of each run at each look at it. */
  constructor(redis: RedisClient, folder: string, onSeen: (run: SeenRun) => void) {
    this.#redis = redis;
    this.#folder = folder;
    this.#onSeen = onSeen;
  }

  start(): void {
    this.#looking = this.#keepLooking();
  }

  get runs(): ReadonlyMap<RunId, SeenRun> {
    return this.#runs;
  }

  /** Takes a last look at everything. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#looking;
    await this.#look([...this.#runs.keys()]);
  }

  async #keepLooking(): Promise<void> {
    while (!this.#isStopped) {
      try {
        await this.#look(await this.#choose());
      } catch (error) {
        // Redis went in the middle of its answer, which the client then does not ask for again.
        if (!(error instanceof Error && error.name === "AbortError")) throw error;
      }
      await delay(LOOK_EVERY_MS);
    }
  }

  async #choose(): Promise<readonly RunId[]> {
    const members = await this.#redis.zrange(shardKeys(0).status, "0", "-1");
    const there = new Set(members.map((member) => member.slice(member.indexOf("/") + 1)));
    // Redis lost them with its last writes.
    for (const id of this.#runs.keys()) if (!there.has(id)) this.#runs.delete(id);
    const live: RunId[] = [];
    const justEnded: RunId[] = [];
    for (const member of members) {
      const id = runIdSchema.parse(member.slice(member.indexOf("/") + 1));
      const seen = this.#runs.get(id);
      if (seen === undefined) await this.#meet(id);
      const isLive = !/^(succeeded|failed|cancelled)\//.test(member);
      if (isLive) live.push(id);
      else if (seen === undefined || !isTerminal(seen.status)) justEnded.push(id);
    }
    const again = this.#ended.splice(0, ENDED_A_LOOK);
    this.#ended.push(...again);
    return [...new Set([...live.slice(0, LIVE_MAX), ...justEnded, ...again])];
  }

  async #meet(id: RunId): Promise<void> {
    const text = await this.#redis.get(runKeys(id).spec);
    if (text === null) return;
    const { mark } = specSchema.parse(JSON.parse(text)).metadata;
    this.#runs.set(id, { id, mark, status: "queued", epoch: 0, startedAt: undefined });
  }

  /** Many at once, each log in one transaction with the record that it belongs to. */
  async #look(ids: readonly RunId[]): Promise<void> {
    for (let from = 0; from < ids.length; from += 50) {
      await Promise.all(ids.slice(from, from + 50).map((id) => this.#lookAt(id)));
    }
  }

  async #lookAt(id: RunId): Promise<void> {
    const keys = runKeys(id);
    const last = this.#lastEvents.get(id);
    const [replies, entries] = await Promise.all([
      this.#redis.multi().hmget(keys.run, "status", "epoch", "ticket").lrangeBuffer(keys.log, 0, -1).exec(),
      this.#redis.xrange(keys.events, last === undefined ? "-" : `(${last}`, "+", "COUNT", EVENTS_A_LOOK),
    ]);
    // Not before the reply: the sample is then never taken for older than what it shows.
    const at = Date.now();
    // The replies of HMGET and LRANGE, by the protocol.
    const [status, epoch, ticket] = (replies?.[0]?.[1] ?? []) as (string | null)[];
    const log = unpackLog((replies?.[1]?.[1] ?? []) as Buffer[]);
    if (typeof status !== "string") return;
    const digests = log.map((text) => digestOf(JSON.parse(text)));
    const sample: LogSample = {
      at,
      runId: id,
      epoch: Number(epoch),
      ticket: Number(ticket),
      status,
      digests,
    };
    writeLine(this.#folder, "samples", sample);
    for (const [eventId, fields] of entries) {
      const event: SeenEvent = { runId: id, id: eventId, event: JSON.parse(fields[1] ?? "null") };
      writeLine(this.#folder, "events", event);
    }
    const newest = entries.at(-1)?.[0];
    if (newest !== undefined) this.#lastEvents.set(id, newest);
    // The scripts write this field and nothing else does.
    this.#tell(id, status as RunStatus, Number(epoch), at);
  }

  #tell(id: RunId, status: RunStatus, epoch: number, at: number): void {
    const before = this.#runs.get(id);
    if (before === undefined) return;
    const isFirst = status === "running" && before.startedAt === undefined;
    const run = { ...before, status, epoch, startedAt: isFirst ? at : before.startedAt };
    this.#runs.set(id, run);
    if (isTerminal(status) && !isTerminal(before.status)) this.#ended.push(id);
    this.#onSeen(run);
  }
}
