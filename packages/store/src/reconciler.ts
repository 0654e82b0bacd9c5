/**
 * The reconciler keeps R4: every run that is queued or running has a live queue entry. It never adds an id
 * again: it requeues by compare and set, so that ticket and epoch rise, and a new job follows.
 *
 * Each pass looks at
 *   1. deadlines that have passed,
 *   2. entries that are younger than half a minute, where commits without their job show first,
 *   3. pools whose ledger backlog exceeds what their queue holds on two passes: those are swept,
 *   4. a slice of everything, by a cursor,
 *   5. a slice of the status index, from which runs go whose retention has passed.
 *
 * An entry that BullMQ does not know is only suspected at first: its job may be on its way (the add follows the
 * commit), or its worker may be just finishing. It is requeued when it is still missing, unchanged, on a later
 * look: a grace for queued runs, a lock's duration for running ones.
 */
import {
  type IdSource,
  isTerminal,
  type ModelId,
  newOperationId,
  type RunId,
  runIdSchema,
} from "@baton/core";
import type { Redis } from "ioredis";
import { runKeys, shardKeys } from "./keys.ts";
import type { Ledger } from "./ledger.ts";
import type { PoolQueues } from "./pool-queues.ts";
import type { RunGlance } from "./read-run.ts";
import { readBacklog } from "./registry.ts";

export interface ReconcilerOptions {
  readonly ledger: Ledger;
  readonly queues: PoolQueues;
  readonly ids: IdSource;
  /** Duration of BullMQ's lock, in milliseconds: how long a running run may look lost while it is not. */
  readonly lockMs: number;
  /** How long a commit's job may be on its way, in milliseconds. */
  readonly addGraceMs?: number;
  readonly onHealed?: (healed: Healed) => void;
}

export interface Healed {
  readonly runId: RunId;
  readonly pool: ModelId;
  readonly what: "entry_missing" | "claim_lost" | "deadline";
}

export interface PassReport {
  readonly looked: number;
  readonly healed: readonly Healed[];
}

const YOUNG_MS = 30_000;
const YOUNG_MAX = 2_000;
const SLICE = 500;
const SWEEP = 5_000;
const LOOKS_AT_ONCE = 100;
const EXPIRED_MAX = 200;
const INDEX_SLICE = 200;
const SUSPECTS_MAX = 50_000;
const ADD_GRACE_MS = 1_000;

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #redis: Redis;
  /** First time that an entry looked missing, by its exact fence. */
  readonly #suspects = new Map<string, number>();
  #deficits: ReadonlySet<ModelId> = new Set();
  /** How far the slow sweep has come in `live`, by rank. */
  #cursor = 0;
  /** How far it has come in the status index: the last member that was looked at. */
  #indexed = "-";

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#redis = options.ledger.redis;
  }

  async pass(): Promise<PassReport> {
    const healed: Healed[] = [];
    await this.#expireDeadlines(healed);
    const ids = new Set<RunId>([...(await this.#young()), ...(await this.#slice())]);
    const seen = new Set<string>();
    const waiting = [...ids];
    while (waiting.length > 0) {
      const some = waiting.splice(0, LOOKS_AT_ONCE);
      await Promise.all(some.map((id) => this.#look(id, seen, healed)));
    }
    // What was not missing any more on this pass is no suspect.
    for (const mark of this.#suspects.keys())
      if (!seen.has(mark) && this.#looked(mark, ids)) this.#suspects.delete(mark);
    await this.#forgetExpired();
    for (const one of healed) this.#options.onHealed?.(one);
    return { looked: ids.size, healed };
  }

  async #expireDeadlines(healed: Healed[]): Promise<void> {
    const due = await this.#redis.zrangebyscore(
      shardKeys(0).deadlines,
      "-inf",
      this.#options.ids.now(),
      "LIMIT",
      0,
      EXPIRED_MAX,
    );
    for (const member of due) {
      const id = runIdSchema.parse(member);
      const glance = await this.#options.ledger.glance(id);
      const reply = await this.#options.ledger.expire(id);
      if (reply.kind === "done" && glance !== undefined)
        healed.push({ runId: id, pool: glance.pool, what: "deadline" });
    }
  }

  /** The keys of a run expire by themselves, its place in the index does not. An id never comes back. */
  async #forgetExpired(): Promise<void> {
    const { status } = shardKeys(0);
    const members = await this.#redis.zrangebylex(status, this.#indexed, "+", "LIMIT", 0, INDEX_SLICE);
    const last = members.at(-1);
    this.#indexed = last === undefined || members.length < INDEX_SLICE ? "-" : `(${last}`;
    const there = await Promise.all(
      members.map((member) => {
        const id = runIdSchema.parse(member.slice(member.indexOf("/") + 1));
        return this.#redis.exists(runKeys(id).run);
      }),
    );
    const gone = members.filter((_, place) => there[place] === 0);
    if (gone.length > 0) await this.#redis.zrem(status, ...gone);
  }

  /** Fresh entries, newest first, and those that are suspected already. */
  async #young(): Promise<readonly RunId[]> {
    const since = this.#options.ids.now() - YOUNG_MS;
    const members = await this.#redis.zrevrangebyscore(
      shardKeys(0).live,
      "+inf",
      since,
      "LIMIT",
      0,
      YOUNG_MAX,
    );
    const suspected = [...this.#suspects.keys()].map((mark) => mark.slice(0, mark.indexOf(" ")));
    return [...members, ...suspected].map((member) => runIdSchema.parse(member));
  }

  /** The next slice of everything; a large one while some pool lacks jobs. */
  async #slice(): Promise<readonly RunId[]> {
    const size = (await this.#isDeficient()) ? SWEEP : SLICE;
    const last = String(this.#cursor + size - 1);
    const members = await this.#redis.zrange(shardKeys(0).live, String(this.#cursor), last);
    this.#cursor = members.length < size ? 0 : this.#cursor + size;
    return members.map((member) => runIdSchema.parse(member));
  }

  /** Whether some pool had fewer jobs than the ledger says, on this pass and on the last. */
  async #isDeficient(): Promise<boolean> {
    const backlog = await readBacklog(this.#redis);
    const lacking = new Set<ModelId>();
    for (const [pool, expected] of backlog) {
      if (expected <= 0) continue;
      const counts = await this.#options.queues.countsOf(pool);
      if (counts.waiting + counts.prioritized + counts.delayed + counts.active < expected) lacking.add(pool);
    }
    const twice = [...lacking].some((pool) => this.#deficits.has(pool));
    this.#deficits = lacking;
    return twice;
  }

  async #look(id: RunId, seen: Set<string>, healed: Healed[]): Promise<void> {
    const glance = await this.#options.ledger.glance(id);
    if (glance === undefined || isTerminal(glance.status) || glance.status === "waiting") return;
    const state = await this.#options.queues.stateOf({ runId: id, ticket: glance.ticket, pool: glance.pool });
    if (state === "present") return;
    const mark = `${id} ${glance.ticket} ${glance.epoch} ${glance.claimId}`;
    seen.add(mark);
    const now = this.#options.ids.now();
    const since = this.#suspects.get(mark);
    if (since === undefined) {
      if (this.#suspects.size < SUSPECTS_MAX) this.#suspects.set(mark, now);
      return;
    }
    const grace =
      glance.status === "running" ? this.#options.lockMs : (this.#options.addGraceMs ?? ADD_GRACE_MS);
    if (now - since < grace) return;
    this.#suspects.delete(mark);
    await this.#requeue(glance, healed);
  }

  async #requeue(glance: RunGlance, healed: Healed[]): Promise<void> {
    const { id, ticket, epoch, claimId, status } = glance;
    if (status !== "queued" && status !== "running") return;
    const op = newOperationId(this.#options.ids);
    const reply = await this.#options.ledger.requeue(id, op, { status, ticket, epoch, claimId });
    if (reply.kind !== "done" || reply.entry === undefined) return;
    const delayMs = Math.max(0, (glance.notBefore ?? 0) - this.#options.ids.now());
    await this.#options.queues.enqueue(reply.entry, { delayMs, priority: glance.priority });
    healed.push({ runId: id, pool: glance.pool, what: status === "queued" ? "entry_missing" : "claim_lost" });
  }

  #looked(mark: string, ids: ReadonlySet<RunId>): boolean {
    return ids.has(runIdSchema.parse(mark.slice(0, mark.indexOf(" "))));
  }
}
