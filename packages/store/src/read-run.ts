/** Reading runs: one with its phases, its conversation by pages, and lists by status. Reads change nothing. */
import {
  BatonError,
  type Item,
  isLive,
  type ModelId,
  type Run,
  type RunId,
  type RunSpec,
  type RunStatus,
  runIdSchema,
  storedSpecSchema,
} from "@baton/core";
import { readItems } from "./claim-run.ts";
import type { Codec } from "./codec.ts";
import { runKeys, shardKeys } from "./keys.ts";
import { readLog } from "./log-pack.ts";
import type { RedisClient } from "./redis-client.ts";
import { readRunRecord } from "./run-record.ts";
import type { RunScript } from "./scripts.ts";
import { onShards } from "./shards.ts";
import { spaceRunsKey } from "./spaces.ts";

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
 * hide the others: it is shown without what its spec says, and with the reason where a sentence stands.
 */
export async function readOutline(run: RunScript, codec: Codec, id: RunId): Promise<Run | undefined> {
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

/** Items `from` to `to` (inclusive; -1 is the last). */
export async function readConversation(
  redis: RedisClient,
  codec: Codec,
  id: RunId,
  from = 0,
  to = -1,
): Promise<readonly Item[]> {
  return readItems(codec, id, await readLog(redis, codec, id, from, to), from);
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

/** Members that one command is asked for. */
const SCORES_AT_ONCE = 500;

export interface ListPage {
  readonly limit: number;
  /** Ids that come after this one. */
  readonly before?: RunId | undefined;
  /** Runs of this batch alone. */
  readonly batch?: string | undefined;
  /** Runs of this namespace alone; not looked at where a batch is given, which lies within one. */
  readonly namespace?: string | undefined;
}

/**
 * Ids of a status, newest first, that come after `before` in that order. Queued and running runs share an index
 * (a run goes between the two with every phase): those are told apart by the small set of the running ones. On several
 * shards the order is that of the ids without their shard, so a page goes on where the one before it ended.
 */
export async function listRunIds(
  redis: RedisClient,
  shards: number,
  status: RunStatus,
  options: ListPage,
): Promise<readonly RunId[]> {
  const parts = await onShards(shards, (shard) => {
    const before = options.before === undefined ? undefined : twinOf(options.before, shard);
    return listOfShard(redis, shard, status, { ...options, before });
  });
  const [only = []] = parts;
  if (parts.length === 1) return only;
  return parts.flat().sort(newestFirst).slice(0, options.limit);
}

/** Compares ids of any shards. */
export function newestFirst(a: RunId, b: RunId): number {
  return placeOf(a) < placeOf(b) ? 1 : -1;
}

/** What is left of an id without its shard: it sorts by time. */
function placeOf(id: RunId): string {
  return id.slice(id.indexOf("_", 2) + 1);
}

/** Where an id would stand in the order of a shard. */
export function twinOf(id: RunId, shard: number): RunId {
  return runIdSchema.parse(`r_${shard}_${placeOf(id)}`);
}

async function listOfShard(
  redis: RedisClient,
  shard: number,
  status: RunStatus,
  options: ListPage,
): Promise<readonly RunId[]> {
  const keys = shardKeys(shard);
  if (options.batch !== undefined) {
    return listOfBatch(redis, `${keys.batchPrefix}${options.batch}:runs`, status, options);
  }
  const { namespace } = options;
  const index = namespace === undefined ? keys.status : spaceRunsKey(shard, namespace);
  if (status === "running") {
    const running = await redis.zrange(keys.running, "0", "-1");
    const ids = running
      .sort()
      .reverse()
      .filter((id) => options.before === undefined || id < options.before);
    const own = namespace === undefined ? ids : await liveIn(redis, index, ids);
    return own.slice(0, options.limit).map((id) => runIdSchema.parse(id));
  }
  if (status !== "queued") return rangeOf(redis, index, status, options.limit, options.before);
  const running = new Set(await redis.zrange(keys.running, "0", "-1"));
  const queued: RunId[] = [];
  let { before } = options;
  for (;;) {
    const page = await rangeOf(redis, index, "live", options.limit, before);
    queued.push(...page.filter((id) => !running.has(id)));
    before = page.at(-1);
    if (before === undefined || queued.length >= options.limit) return queued.slice(0, options.limit);
  }
}

/** Those of the runs that an index has among its live ones. */
async function liveIn(redis: RedisClient, index: string, ids: readonly string[]): Promise<readonly string[]> {
  const own: string[] = [];
  for (let from = 0; from < ids.length; from += SCORES_AT_ONCE) {
    const some = ids.slice(from, from + SCORES_AT_ONCE);
    const scores = await redis.zmscore(index, ...some.map((id) => `live/${id}`));
    own.push(...some.filter((_, place) => scores[place] !== null));
  }
  return own;
}

/** Runs of a batch that are queued and those that run are told apart by looking at each. */
async function listOfBatch(
  redis: RedisClient,
  index: string,
  status: RunStatus,
  options: ListPage,
): Promise<readonly RunId[]> {
  if (!isLive(status)) return rangeOf(redis, index, status, options.limit, options.before);
  const found: RunId[] = [];
  let { before } = options;
  for (;;) {
    const page = await rangeOf(redis, index, "live", options.limit, before);
    const glances = await Promise.all(page.map((id) => redis.hget(runKeys(id).run, "status")));
    found.push(...page.filter((_, place) => glances[place] === status));
    before = page.at(-1);
    if (before === undefined || found.length >= options.limit) return found.slice(0, options.limit);
  }
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

async function rangeOf(
  redis: RedisClient,
  index: string,
  group: string,
  limit: number,
  before: RunId | undefined,
): Promise<readonly RunId[]> {
  const upper = before === undefined ? `[${group}/~` : `(${group}/${before}`;
  const members = await redis.zrevrangebylex(index, upper, `[${group}/`, "LIMIT", 0, limit);
  return members.map((member) => runIdSchema.parse(member.slice(group.length + 1)));
}
