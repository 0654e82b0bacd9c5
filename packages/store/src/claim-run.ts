/**
 * `claim`: a worker takes a queue entry. A short conversation comes with the reply of the script, which saves a
 * command; a long one is read by an LRANGE behind it, since Lua would be slow to hand it over.
 */
import {
  BatonError,
  type ClaimId,
  type Item,
  itemSchema,
  type ModelId,
  type RunId,
  type RunSpec,
  storedSpecSchema,
} from "@baton/core";
import type { Codec } from "./codec.ts";
import type { ConversationCache, KeptConversation } from "./conversation-cache.ts";
import type { QueueEntry } from "./create-run.ts";
import { runKeys } from "./keys.ts";
import { readLog } from "./log-pack.ts";
import { isFaultOfRecord } from "./record-fault.ts";
import type { RedisClient } from "./redis-client.ts";
import { type PricedUsage, parseTries, parseUsage, type Tries } from "./run-record.ts";
import type { RunScript, ScriptReply } from "./scripts.ts";

/** The schema version that this code writes and the newest that it reads. */
export const SCHEMA_VERSION = 4;

/** A conversation of at most so many items comes with the claim; a longer one is read behind it. */
const LOG_IN_REPLY_MAX = 64;

/** The fence that every write of a worker carries (R2). */
export interface Claim {
  readonly runId: RunId;
  readonly pool: ModelId;
  readonly ticket: number;
  readonly epoch: number;
  readonly claimId: ClaimId;
}

export interface Claimed {
  readonly kind: "claimed";
  readonly claim: Claim;
  readonly spec: RunSpec;
  readonly items: readonly Item[];
  readonly phase: number;
  /** Model calls that failed in a row before this claim. */
  readonly tries: Tries;
  readonly takeover: boolean;
  readonly phaseTurns: number;
  readonly turns: number;
  readonly handoffs: number;
  readonly phaseUsage: PricedUsage;
  /** Milliseconds that the phase has been at work: without what it waited for people, in the queue, for a backoff. */
  readonly workedMs: number;
  readonly batch: BatchState | undefined;
  /** Whose run it is. */
  readonly namespace: string | undefined;
  /** The submitter's trace context. */
  readonly trace: string | undefined;
  /** 0 when the run has none. */
  readonly priority: number;
  /** Claims of this phase so far, this one included. */
  readonly attempt: number;
}

/** The batch of a run, as far as its budget goes. */
export interface BatchState {
  readonly id: string;
  /** Nothing is left of its budget. */
  readonly spent: boolean;
  /** It has a budget in USD, so that prices must be known. */
  readonly inUsd: boolean;
}

export type ClaimReply =
  | Claimed
  /** The job is of no more use: behind its run, or the run is terminal, waiting or gone. */
  | { readonly kind: "finished"; readonly why: string }
  /** The claim was made, but what it brought cannot be read: `length` is that of the log in the record. */
  | {
      readonly kind: "unreadable";
      readonly claim: Claim;
      readonly length: number;
      readonly tries: Tries;
      readonly priority: number;
      readonly error: BatonError;
    }
  /** The job is ahead of its run: put it back, the run's commit may still arrive. */
  | { readonly kind: "ahead" }
  | { readonly kind: "early"; readonly waitMs: number }
  | { readonly kind: "unfit"; readonly missing: readonly string[] };

export interface ClaimOptions {
  readonly entry: QueueEntry;
  readonly claimId: ClaimId;
  /** What the worker has, in the words of `CreateRun.needs`. */
  readonly capabilities: ReadonlySet<string>;
  readonly unfitGraceMs: number;
  readonly takeoversMax: number;
  readonly retentionMs: number;
}

/** A parsed spec and its revision. */
export interface KnownSpec {
  readonly rev: string;
  readonly spec: RunSpec;
}

/** Parsed specs by run: a run's phases often come back to the same worker, and its spec does not change. */
export class SpecCache {
  readonly #specs = new Map<RunId, KnownSpec>();
  readonly #sizeMax: number;

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  find(id: RunId): KnownSpec | undefined {
    return this.#specs.get(id);
  }

  /** For a run that ended: what is kept for long costs the garbage collector on every round. */
  forget(id: RunId): void {
    this.#specs.delete(id);
  }

  /**
   * The spec of `rev`: parsed from `text`, or `known` when the reply left it out. `known` is what was told to Redis;
   * by the time of the reply, other runs may have taken its place here.
   */
  take(codec: Codec, id: RunId, rev: string, text: string, known: KnownSpec | undefined): RunSpec {
    if (text === "" && known !== undefined && known.rev === rev) return known.spec;
    const spec = storedSpecSchema.parse(JSON.parse(codec.open(id, "spec", text)));
    this.#specs.delete(id);
    this.#specs.set(id, { rev, spec });
    const oldest = this.#specs.keys().next().value;
    if (this.#specs.size > this.#sizeMax && oldest !== undefined) this.#specs.delete(oldest);
    return spec;
  }
}

/** What a process reads with, and what it remembers between its claims. */
export interface ClaimReading {
  readonly codec: Codec;
  readonly specs: SpecCache;
  readonly conversations: ConversationCache;
}

export async function claimRun(
  redis: RedisClient,
  run: RunScript,
  reading: ClaimReading,
  options: ClaimOptions,
): Promise<ClaimReply> {
  const { entry, claimId } = options;
  const { codec, specs, conversations } = reading;
  const known = specs.find(entry.runId);
  const kept = conversations.take(entry.runId);
  const reply = await run(
    "claim",
    [runKeys(entry.runId).run],
    [
      String(entry.ticket),
      entry.pool,
      claimId,
      String(SCHEMA_VERSION),
      known?.rev ?? "0",
      `\n${[...options.capabilities, ...codec.capabilities].join("\n")}\n`,
      String(options.unfitGraceMs),
      String(options.takeoversMax),
      String(options.retentionMs),
      String(LOG_IN_REPLY_MAX),
      kept === undefined ? "" : `${kept.mark} ${kept.items.length}`,
      codec.needs.join("\n"),
    ],
  );
  switch (reply[0]) {
    case "claimed":
      return readClaimed(redis, codec, options, reply, kept, (rev, text) =>
        specs.take(codec, entry.runId, rev, text, known),
      );
    case "ahead":
      return { kind: "ahead" };
    case "early":
      return { kind: "early", waitMs: Number(reply[1]) };
    case "unfit":
      return { kind: "unfit", missing: String(reply[1]).split("\n") };
    case "finished":
      return { kind: "finished", why: String(reply[1]) };
    default:
      throw new BatonError("store_corrupt", `claim replied ${JSON.stringify(reply)}`);
  }
}

async function readClaimed(
  redis: RedisClient,
  codec: Codec,
  { entry, claimId }: ClaimOptions,
  reply: ScriptReply,
  kept: KeptConversation | undefined,
  specOf: (rev: string, text: string) => RunSpec,
): Promise<Claimed | Extract<ClaimReply, { kind: "unreadable" }>> {
  const [
    ,
    epoch,
    phase,
    length,
    rev,
    spec,
    tries,
    takeover,
    phaseTurns,
    turns,
    handoffs,
    usage,
    priority,
    attempts,
    workedMs,
    batch,
    batchFlags,
    namespace,
    trace,
  ] = reply.map(String);
  const claim = { ...entry, epoch: Number(epoch), claimId };
  const read = await readWhole(async () => ({
    spec: specOf(rev ?? "", spec ?? ""),
    items: await itemsOf(redis, codec, entry.runId, Number(length), reply.at(-1), kept),
  }));
  if (read instanceof BatonError) {
    const more = { tries: parseTries(tries), priority: Number(priority), error: read };
    return { kind: "unreadable", claim, length: Number(length), ...more };
  }
  return {
    kind: "claimed",
    claim,
    ...read,
    phase: Number(phase),
    tries: parseTries(tries),
    takeover: takeover === "1",
    phaseTurns: Number(phaseTurns),
    turns: Number(turns),
    handoffs: Number(handoffs),
    phaseUsage: parseUsage(usage),
    workedMs: Number(workedMs),
    batch: readBatchState(batch ?? "", batchFlags ?? ""),
    namespace: namespace === "" ? undefined : namespace,
    trace: trace === "" ? undefined : trace,
    priority: Number(priority),
    attempt: Number(attempts),
  };
}

/** `flags` as the scripts reply them; undefined for a run without a batch. */
export function readBatchState(id: string, flags: string): BatchState | undefined {
  return id === "" ? undefined : { id, spent: flags.includes("s"), inUsd: flags.includes("u") };
}

/** What stands in Redis and cannot be read is a value: the run must end, not go round. A lost connection still throws. */
async function readWhole<Value>(read: () => Promise<Value>): Promise<Value | BatonError> {
  try {
    return await read();
  } catch (thrown) {
    if (thrown instanceof BatonError) return thrown;
    if (!isFaultOfRecord(thrown)) throw thrown;
    return new BatonError("store_corrupt", "the run cannot be read", { cause: thrown });
  }
}

/** The conversation: as this process kept it, as it came with the reply, or read behind it. */
async function itemsOf(
  redis: RedisClient,
  codec: Codec,
  runId: RunId,
  length: number,
  log: unknown,
  kept: KeptConversation | undefined,
): Promise<readonly Item[]> {
  if (log === "known" && kept !== undefined) return kept.items;
  if (Array.isArray(log) && log.length === length) return readItems(codec, runId, log.map(String));
  const items = readItems(codec, runId, await readLog(redis, codec, runId, 0, length - 1));
  if (items.length === length) return items;
  throw new BatonError("store_corrupt", `run ${runId} has ${items.length} items of ${length}`, {
    fields: { runId },
  });
}

/** Opens and parses log entries, and checks that each stands in the place that it names. */
export function readItems(codec: Codec, runId: RunId, log: readonly string[], from = 0): Item[] {
  return log.map((text, index) => {
    const parsed = itemSchema.safeParse(JSON.parse(codec.open(runId, "item", text)));
    if (parsed.success && parsed.data.seq === from + index) return parsed.data;
    throw new BatonError("store_corrupt", `item ${from + index} of ${runId} cannot be read`, {
      cause: parsed.success ? undefined : parsed.error,
      fields: { runId, item: from + index },
    });
  });
}
