/** Reading runs: one with its phases, its conversation by pages, and lists by status. Reads change nothing. */
import {
  type Item,
  isLive,
  type ModelId,
  type Run,
  type RunId,
  type RunSpec,
  type RunStatus,
  runIdSchema,
  runSpecSchema,
} from "@baton/core";
import type { Redis } from "ioredis";
import { readItems } from "./claim-run.ts";
import { runKeys, shardKeys } from "./keys.ts";
import { readRunRecord } from "./run-record.ts";
import type { RunScript } from "./scripts.ts";

export interface RunWithSpec {
  readonly run: Run;
  readonly spec: RunSpec;
}

/** The run and its spec as they are at one moment, or undefined when there is none. */
export async function readRun(run: RunScript, id: RunId): Promise<RunWithSpec | undefined> {
  const [fields, phases, spec] = await run("read", [runKeys(id).run], ["run"]);
  return assembleRun(id, fields, phases, spec);
}

/** Builds the run out of what the script `read` replies of it. */
export function assembleRun(
  id: RunId,
  fields: unknown,
  phases: unknown,
  spec: unknown,
): RunWithSpec | undefined {
  if (typeof spec !== "string") return undefined;
  const parsed = runSpecSchema.parse(JSON.parse(spec));
  // A script's HGETALL replies names and values in turn, and LRANGE strings, by the protocol.
  const run = readRunRecord(id, pairsOf(fields as string[]), phases as string[], parsed);
  return run === undefined ? undefined : { run, spec: parsed };
}

function pairsOf(flat: readonly string[]): Readonly<Record<string, string>> {
  const pairs: Record<string, string> = {};
  for (let place = 0; place < flat.length; place += 2) pairs[flat[place] ?? ""] = flat[place + 1] ?? "";
  return pairs;
}

/** Items `from` to `to` (inclusive; -1 is the last). */
export async function readConversation(redis: Redis, id: RunId, from = 0, to = -1): Promise<readonly Item[]> {
  return readItems(id, await redis.lrange(runKeys(id).log, from, to), from);
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
}

export async function glanceAt(redis: Redis, id: RunId): Promise<RunGlance | undefined> {
  const [status, pool, ticket, epoch, claim, priority, notBefore] = await redis.hmget(
    runKeys(id).run,
    "status",
    "pool",
    "ticket",
    "epoch",
    "claim",
    "priority",
    "not_before",
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
  };
}

export interface ListPage {
  readonly limit: number;
  /** Ids that come after this one. */
  readonly before?: RunId | undefined;
  /** Runs of this batch alone. */
  readonly batch?: string | undefined;
}

/**
 * Ids of a status, newest first, that come after `before` in that order. Queued and running runs share an index
 * (a run goes between the two with every phase): those are told apart by the small set of the running ones.
 */
export async function listRunIds(
  redis: Redis,
  status: RunStatus,
  options: ListPage,
): Promise<readonly RunId[]> {
  if (options.batch !== undefined) return listOfBatch(redis, status, options, options.batch);
  if (status === "running") {
    const running = await redis.zrange(shardKeys(0).running, "0", "-1");
    const ids = running
      .sort()
      .reverse()
      .filter((id) => options.before === undefined || id < options.before);
    return ids.slice(0, options.limit).map((id) => runIdSchema.parse(id));
  }
  if (status !== "queued") return rangeOf(redis, shardKeys(0).status, status, options.limit, options.before);
  const running = new Set(await redis.zrange(shardKeys(0).running, "0", "-1"));
  const queued: RunId[] = [];
  let { before } = options;
  for (;;) {
    const page = await rangeOf(redis, shardKeys(0).status, "live", options.limit, before);
    queued.push(...page.filter((id) => !running.has(id)));
    before = page.at(-1);
    if (before === undefined || queued.length >= options.limit) return queued.slice(0, options.limit);
  }
}

/** Runs of a batch that are queued and those that run are told apart by looking at each. */
async function listOfBatch(
  redis: Redis,
  status: RunStatus,
  options: ListPage,
  batch: string,
): Promise<readonly RunId[]> {
  const index = `${shardKeys(0).batchPrefix}${batch}:runs`;
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

export async function countRuns(redis: Redis, status: RunStatus): Promise<number> {
  const keys = shardKeys(0);
  if (status === "running") return redis.zcard(keys.running);
  if (status !== "queued") return redis.zlexcount(keys.status, `[${status}/`, `[${status}/~`);
  const [live, running] = await Promise.all([
    redis.zlexcount(keys.status, "[live/", "[live/~"),
    redis.zcard(keys.running),
  ]);
  return Math.max(0, live - running);
}

/** How many runs of a batch there are by status; queued counts those that run too. */
export async function countBatch(redis: Redis, batch: string): Promise<Readonly<Record<string, number>>> {
  const index = `${shardKeys(0).batchPrefix}${batch}:runs`;
  const groups = ["live", "waiting", "succeeded", "failed", "cancelled"] as const;
  const counts = await Promise.all(
    groups.map((group) => redis.zlexcount(index, `[${group}/`, `[${group}/~`)),
  );
  return Object.fromEntries(
    groups.map((group, place) => [group === "live" ? "queued" : group, counts[place] ?? 0]),
  );
}

async function rangeOf(
  redis: Redis,
  index: string,
  group: string,
  limit: number,
  before: RunId | undefined,
): Promise<readonly RunId[]> {
  const upper = before === undefined ? `[${group}/~` : `(${group}/${before}`;
  const members = await redis.zrevrangebylex(index, upper, `[${group}/`, "LIMIT", 0, limit);
  return members.map((member) => runIdSchema.parse(member.slice(group.length + 1)));
}
