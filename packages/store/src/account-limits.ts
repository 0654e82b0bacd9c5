/**
 * What is asked of providers' accounts, counted in Redis for all workers together: requests, tokens, input tokens and
 * output tokens in a rolling window, and calls at once. A call is booked by an estimate before it is made, in the bucket
 * of its account and in that of its model, and settled by what it really took.
 *
 * - No window of a bucket is booked beyond its limit, but for a single call that is larger than the limit.
 * - What was booked by whoever died runs out by itself.
 * - Nothing here touches a run; the counts are no truth that must survive.
 *
 * Fields of a bucket's hash (numbers as decimal text, four of them in the order of `DIMENSIONS`):
 *
 * | field          | holds |
 * | -------------- | ----- |
 * | r<n> t<n> i<n> o<n> | what is booked in slot n: requests, tokens, input tokens, output tokens |
 * | sr st si so    | the sums of the slots that are not swept |
 * | far            | the furthest slot that was ever booked |
 * | gr<n> …        | the same of those who were told to come back then |
 * | c:<call>       | slot and estimate of a call under way; in the account's bucket alone |
 * | configured     | the limits that the last caller gave, and how many calls at once |
 * | learned        | the limits that the provider told, and until when they are believed |
 * | others         | what others use by the provider's word, until when each comes back, and when it was told |
 * | cut            | by how much learned limits were cut after a refusal, when, requests allowed then, until when |
 * | since          | from when on all that was asked is counted |
 * | swept          | the last slot whose fields are gone |
 */
import { BatonError, type RateLimitReport } from "@baton/core";
import { limitKeys, limitsKey } from "./keys.ts";
import { type RedisClient, timeAt } from "./redis-client.ts";
import type { RunScript } from "./scripts.ts";

/** Providers count by the minute. Tests scale it; all who share a Redis must have the same. */
export const LIMIT_WINDOW_MS = 60_000;

export const DIMENSIONS = ["requests", "tokens", "inputTokens", "outputTokens"] as const;
export type Dimension = (typeof DIMENSIONS)[number];

/** What a call takes, or may take, of each. */
export type Amounts = Readonly<Record<Dimension, number>>;
/** In a window; absent: no bound. */
export type DimensionLimits = Readonly<Partial<Record<Dimension, number>>>;

/** Where a call counts. */
export interface LimitedPool {
  readonly account: string;
  /** The model's name at the provider. */
  readonly model: string;
}

export interface Reserve extends LimitedPool {
  /** Unique for each call that is made; undefined asks only, and books nothing. */
  readonly call: string | undefined;
  readonly amounts: Amounts;
  readonly windowMs: number;
  /** Room that comes no later is booked. */
  readonly bookMs: number;
  /** For so long the call is believed to be under way, unless it is renewed. */
  readonly leaseMs: number;
  readonly accountLimits: DimensionLimits;
  readonly concurrent: number | undefined;
  readonly poolLimits: DimensionLimits;
}

export type ReserveReply =
  /** Nothing limits the call, and nothing was booked. */
  | { readonly kind: "free" }
  /** It may begin in `ms`. */
  | { readonly kind: "granted"; readonly ms: number }
  /** Not booked: there will be room in `ms`. `limit` says whose limit it is, and which. */
  | { readonly kind: "wait"; readonly ms: number; readonly limit: { bucket: string; dimension: Dimension } }
  /** As many calls as may be at once are under way. */
  | { readonly kind: "busy" };

export async function reserveCall(run: RunScript, reserve: Reserve): Promise<ReserveReply> {
  const { call = "", amounts, windowMs, bookMs, leaseMs, concurrent = 0 } = reserve;
  const { account, pool } = keysOf(reserve);
  const reply = await run(
    "reserve",
    [account.bucket, pool.bucket, account.calls, limitsKey()],
    [
      call,
      words(amounts),
      String(windowMs),
      String(bookMs),
      String(leaseMs),
      `${words(reserve.accountLimits)} ${concurrent}`,
      words(reserve.poolLimits),
    ],
  );
  const [kind, ms, bucket, place] = reply;
  switch (kind) {
    case "free":
    case "busy":
      return { kind };
    case "granted":
      return { kind, ms: Number(ms) };
    case "wait": {
      const dimension = DIMENSIONS[Number(place) - 1];
      if (dimension === undefined) break;
      return { kind, ms: Number(ms), limit: { bucket: String(bucket), dimension } };
    }
  }
  throw new BatonError("store_corrupt", `reserve replied ${JSON.stringify(reply)}`);
}

export interface Settle extends LimitedPool {
  readonly call: string;
  /** What it took; undefined: nobody knows, the estimate stays. */
  readonly amounts: Amounts | undefined;
  readonly windowMs: number;
}

export async function settleCall(
  run: RunScript,
  { call, amounts, windowMs, ...pool }: Settle,
): Promise<void> {
  const keys = keysOf(pool);
  const taken = amounts === undefined ? "" : words(amounts);
  await run(
    "settle",
    [keys.account.bucket, keys.pool.bucket, keys.account.calls],
    [call, taken, String(windowMs)],
  );
}

/** The call begins later than it was booked for: it counts as of now. */
export async function moveCall(
  run: RunScript,
  { call, windowMs, ...pool }: Omit<Settle, "amounts">,
): Promise<void> {
  const keys = keysOf(pool);
  await run("late", [keys.account.bucket, keys.pool.bucket], [call, String(windowMs)]);
}

/** Says that calls of an account are still under way. */
export async function renewCalls(
  run: RunScript,
  account: string,
  leaseMs: number,
  calls: readonly string[],
): Promise<void> {
  if (calls.length > 0) await run("lease", [limitKeys(account).calls], [String(leaseMs), ...calls]);
}

export interface LearnLimits extends LimitedPool {
  readonly report: RateLimitReport;
  readonly windowMs: number;
}

/** Keeps what a provider said of a model's limits. */
export async function learnLimits(run: RunScript, { report, windowMs, ...pool }: LearnLimits): Promise<void> {
  const said = (name: "limit" | "remaining" | "resetMs") =>
    DIMENSIONS.map((dimension) => {
      const value = report[dimension]?.[name];
      return value === undefined ? "-" : String(Math.ceil(value));
    }).join(" ");
  await run(
    "learn",
    [keysOf(pool).pool.bucket, limitsKey()],
    [String(windowMs), said("limit"), said("remaining"), said("resetMs")],
  );
}

/** A provider refused without a word on its limits: halves what the account, or one model of it, is asked for. */
export async function cutLimits(run: RunScript, bucket: string, windowMs: number): Promise<void> {
  await run("cut", [limitKeys(bucket).bucket, limitsKey()], [String(windowMs)]);
}

/** How much of one limit is used. */
export interface DimensionUse {
  readonly limit: number | undefined;
  readonly used: number;
  /** What others use, by the provider's word. */
  readonly others: number;
  /** What is left; undefined without a limit. */
  readonly headroom: number | undefined;
  /** What those will ask for who were told to come back. */
  readonly waiting: number;
  /** The limit was not configured but learned. */
  readonly learned: boolean;
}

export interface BucketUse extends Readonly<Record<Dimension, DimensionUse>> {
  /** `<account>`, or `<account>/<model>`. */
  readonly name: string;
  readonly calls: { readonly underWay: number; readonly limit: number | undefined };
}

const IDLE_MS = 20 * 60_000;
/** Names of buckets that nothing was asked of for so long leave the index. */
const FORGOTTEN_MS = 86_400_000;
const BUCKETS_READ_MAX = 1_000;

/** The buckets that something was asked of lately. `windowMs` must be the workers'. */
export async function readLimits(
  redis: RedisClient,
  run: RunScript,
  windowMs: number,
): Promise<readonly BucketUse[]> {
  const now = await timeAt(redis, limitsKey());
  await redis.zremrangebyscore(limitsKey(), "-inf", now - FORGOTTEN_MS);
  const names = await redis.zrevrangebyscore(
    limitsKey(),
    "+inf",
    now - IDLE_MS,
    "LIMIT",
    0,
    BUCKETS_READ_MAX,
  );
  if (names.length === 0) return [];
  const keys = names.flatMap((name) => {
    const { bucket, calls } = limitKeys(name);
    return [bucket, calls];
  });
  const reply = await run("headroom", keys, [String(windowMs)]);
  return names.map((name, place) => readUse(name, reply[place])).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function readUse(name: string, reply: unknown): BucketUse {
  const rows = listOf(reply).map((row) => listOf(row).map(Number));
  const [limits = [], used = [], others = [], told = [], learned = [], [underWay = 0, most = 0] = []] = rows;
  const useOf = (dimension: Dimension): DimensionUse => {
    const place = DIMENSIONS.indexOf(dimension);
    const limit = limits[place] || undefined;
    const one = { used: used[place] ?? 0, others: others[place] ?? 0, waiting: told[place] ?? 0 };
    const headroom = limit === undefined ? undefined : Math.max(0, limit - one.used - one.others);
    return { limit, ...one, headroom, learned: learned[place] === 1 };
  };
  return {
    name,
    requests: useOf("requests"),
    tokens: useOf("tokens"),
    inputTokens: useOf("inputTokens"),
    outputTokens: useOf("outputTokens"),
    calls: { underWay, limit: most || undefined },
  };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function keysOf({ account, model }: LimitedPool) {
  return { account: limitKeys(account), pool: limitKeys(`${account}/${model}`) };
}

/** The four numbers as scripts take them. */
function words(amounts: DimensionLimits): string {
  return DIMENSIONS.map((dimension) => Math.ceil(amounts[dimension] ?? 0)).join(" ");
}
