/** Reading runs: one with its phases, its conversation by pages, and how many there are. Reads change nothing. */
import {
  BatonError,
  type Item,
  type ModelId,
  type Run,
  type RunId,
  type RunSpec,
  type RunStatus,
  storedSpecSchema,
} from "@baton/core";
import { readItems } from "./claim-run.ts";
import type { Codec } from "./codec.ts";
import { runKeys, shardKeys } from "./keys.ts";
import { readLog } from "./log-pack.ts";
import { isFaultOfRecord } from "./record-fault.ts";
import type { RedisClient } from "./redis-client.ts";
import { readRunRecord } from "./run-record.ts";
import type { RunScript } from "./scripts.ts";
import { onShards } from "./shards.ts";

export interface RunWithSpec {
  readonly run: Run;
  /** Without its input, with which the conversation begins. */
  readonly spec: RunSpec;
}

/** The run and its spec as they are at one moment, or undefined when there is none. */
export async function readRun(run: RunScript, codec: Codec, id: RunId): Promise<RunWithSpec | undefined> {
  const [fields, phases, spec] = await run("read", [runKeys(id).run], ["run"]);
  return assembleRun(codec, id, fields, phases, spec);
}

/** Builds the run out of what the script `read` replies of it. */
export function assembleRun(
  codec: Codec,
  id: RunId,
  fields: unknown,
  phases: unknown,
  spec: unknown,
): RunWithSpec | undefined {
  if (typeof spec !== "string") return undefined;
  const parsed = storedSpecSchema.parse(JSON.parse(codec.open(id, "spec", spec)));
  const run = assembleRecord(codec.openSentence, id, fields, phases, parsed);
  return run === undefined ? undefined : { run, spec: parsed };
}

/**
 * The run as a list shows it. One that is sealed with a key that is not given here, or that was tampered with, must not
 * hide the others: it is shown without what its spec says, and with the reason where a sentence stands. One whose record
 * is damaged cannot be shown: it is left out, and whoever reads that run alone is told.
 */
export async function readOutline(run: RunScript, codec: Codec, id: RunId): Promise<Run | undefined> {
  try {
    return await outlineOf(run, codec, id);
  } catch (error) {
    if (isFaultOfRecord(error)) return undefined;
    throw error;
  }
}

async function outlineOf(run: RunScript, codec: Codec, id: RunId): Promise<Run | undefined> {
  const [fields, phases, spec] = await run("read", [runKeys(id).run], ["run"]);
  if (typeof spec !== "string") return undefined;
  const opened = openedOr(
    () => codec.open(id, "spec", spec),
    () => undefined,
  );
  return assembleRecord(
    (_id, text) =>
      openedOr(
        () => codec.openSentence(id, text),
        ({ message }) => message,
      ),
    id,
    fields,
    phases,
    opened === undefined ? undefined : storedSpecSchema.parse(JSON.parse(opened)),
  );
}

/** What opening gives, or `otherwise` says of what cannot be opened. */
function openedOr<Value, Other>(open: () => Value, otherwise: (error: BatonError) => Other): Value | Other {
  try {
    return open();
  } catch (error) {
    if (error instanceof BatonError) return otherwise(error);
    throw error;
  }
}

function assembleRecord(
  openSentence: Codec["openSentence"],
  id: RunId,
  fields: unknown,
  phases: unknown,
  spec: RunSpec | undefined,
): Run | undefined {
  // A script's HGETALL replies names and values in turn, and LRANGE strings, by the protocol.
  const record = withSentences(openSentence, id, pairsOf(fields as string[]));
  return readRunRecord(id, record, phases as string[], spec);
}

function pairsOf(flat: readonly string[]): Readonly<Record<string, string>> {
  const pairs: Record<string, string> = {};
  for (let place = 0; place < flat.length; place += 2) pairs[flat[place] ?? ""] = flat[place + 1] ?? "";
  return pairs;
}

/** The record with what it says in sentences as it was before it was sealed. */
function withSentences(
  openSentence: Codec["openSentence"],
  id: RunId,
  record: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const { error_message: message, detail } = record;
  if (!message && !detail) return record;
  return {
    ...record,
    error_message: openSentence(id, message ?? ""),
    detail: openSentence(id, detail ?? ""),
  };
}

/** Items `from` to `to` (inclusive; -1 is the last); with `bytesMax` as many of them as `readLog` says. */
export async function readConversation(
  redis: RedisClient,
  codec: Codec,
  id: RunId,
  from = 0,
  to = -1,
  bytesMax?: number,
): Promise<readonly Item[]> {
  return readItems(codec, id, await readLog(redis, codec, id, from, to, bytesMax), from);
}

/** What the reconciler and the retry need of a run: cheap, and not parsed further. */
export interface RunGlance {
  readonly id: RunId;
  readonly status: RunStatus;
  readonly pool: ModelId;
  readonly ticket: number;
  readonly epoch: number;
  readonly claimId: string;
  readonly priority: number;
  readonly notBefore: number | undefined;
  /** Whose run it is. */
  readonly namespace: string | undefined;
}

export async function glanceAt(redis: RedisClient, id: RunId): Promise<RunGlance | undefined> {
  const [status, pool, ticket, epoch, claim, priority, notBefore, namespace] = await redis.hmget(
    runKeys(id).run,
    "status",
    "pool",
    "ticket",
    "epoch",
    "claim",
    "priority",
    "not_before",
    "namespace",
  );
  if (typeof status !== "string") return undefined;
  return {
    id,
    // The scripts write these fields and nothing else does.
    status: status as RunStatus,
    pool: pool as ModelId,
    ticket: Number(ticket),
    epoch: Number(epoch),
    claimId: claim ?? "",
    priority: Number(priority ?? 0),
    notBefore: typeof notBefore === "string" && notBefore !== "" ? Number(notBefore) : undefined,
    namespace: namespace || undefined,
  };
}

export async function countRuns(redis: RedisClient, shards: number, status: RunStatus): Promise<number> {
  const counts = await onShards(shards, (shard) => countOfShard(redis, shard, status));
  return counts.reduce((sum, count) => sum + count, 0);
}

async function countOfShard(redis: RedisClient, shard: number, status: RunStatus): Promise<number> {
  const keys = shardKeys(shard);
  if (status === "running") return redis.zcard(keys.running);
  if (status !== "queued") return redis.zlexcount(keys.status, `[${status}/`, `[${status}/~`);
  const [live, running] = await Promise.all([
    redis.zlexcount(keys.status, "[live/", "[live/~"),
    redis.zcard(keys.running),
  ]);
  return Math.max(0, live - running);
}
