/**
 * The feeder tops up the queues of the pools with runs that wait in batches. A batch of any size keeps its runs in the
 * ledger (lua/feed.lua), and each queue holds but a window of them, a small multiple of the places that live workers
 * have: so a batch that comes later has its share of the pool at once, and a queue stays small.
 *
 * R4: a run that waits has its place in the ledger; one that was admitted is in `live`, and when its job is lost on the
 * way the reconciler adds it. One process feeds, the one that leads; two for a moment share the window and do no harm.
 */
import { type ModelId, modelIdSchema, type RunId, runIdSchema } from "@baton/core";
import { z } from "zod";
import { admissionKeys } from "./keys.ts";
import type { Ledger } from "./ledger.ts";
import type { PoolQueues } from "./pool-queues.ts";
import { listPools } from "./registry.ts";
import { defineScripts, type RunScript } from "./scripts.ts";

export interface FeederOptions {
  readonly ledger: Pick<Ledger, "redis" | "holds">;
  readonly queues: Pick<PoolQueues, "countsOf" | "enqueueAll">;
  readonly shard: number;
  /** Places that live workers have for a pool, over all shards. */
  readonly placesOf: (pool: ModelId) => Promise<number>;
  /** The store's shards: each feeder fills its part of the window. */
  readonly shards: number;
}

export interface FeedReport {
  /** Runs that were admitted. */
  readonly fed: number;
  /** Runs that still wait, in pools that were looked at. */
  readonly waiting: number;
  /** When to look again, in milliseconds, unless something happens before. */
  readonly pauseMs: number;
}

/** Admitted runs that have not begun, for each place of the pool. */
const WINDOW_A_PLACE = 2;
/** Without a worker a few stand ready for the first that comes. */
const WINDOW_MIN = 8;
/** Where phases are short, the window holds what the pool works off meanwhile. */
const WINDOW_MS = 50;
const FED_AT_ONCE_MAX = 200;
const CHECK_MS = 60_000;
/** `turns`: other flows have the pool just now. `asleep`: what waits cannot be admitted, and time will tell. */
const PAUSE_MS = { min: 5, turns: 25, max: 250, asleep: 100, idle: 1_000 } as const;
const DEFAULT_PRIORITY = 1_000_000;

const replySchema = z.tuple(
  [z.literal("fed"), z.coerce.number(), z.enum(["full", "turns", "asleep"]), z.coerce.number()],
  z.string(),
);

/** How fast a pool takes what it is fed. */
interface Pace {
  readonly at: number;
  readonly runsPerMs: number;
}

interface PoolReport {
  readonly fed: number;
  readonly waiting: number;
  readonly pauseMs: number;
}

export class Feeder {
  readonly #options: FeederOptions;
  readonly #run: RunScript;
  readonly #keys: ReturnType<typeof admissionKeys>;
  #paces: ReadonlyMap<ModelId, Pace> = new Map();
  #checkedAt = Number.NEGATIVE_INFINITY;

  constructor(options: FeederOptions) {
    this.#options = options;
    this.#run = defineScripts(options.ledger.redis);
    this.#keys = admissionKeys(options.shard);
  }

  /** Tops up all pools once; `now` is any clock that goes forward, in milliseconds. */
  async pass(now: number): Promise<FeedReport> {
    const check = now - this.#checkedAt >= CHECK_MS;
    const pools = await this.#pools(check);
    if (check) this.#checkedAt = now;
    // What is not fed now has no pace when it comes back.
    const known = this.#paces;
    const paces = new Map<ModelId, Pace>();
    this.#paces = paces;
    if (pools.length === 0) return { fed: 0, waiting: 0, pauseMs: PAUSE_MS.idle };
    const held = await this.#options.ledger.holds();
    const reports = await Promise.all(
      pools
        .filter((pool) => !held.has(pool))
        .map((pool) => this.#feed(pool, { now, check, pace: known.get(pool), paces })),
    );
    return {
      fed: reports.reduce((sum, report) => sum + report.fed, 0),
      waiting: reports.reduce((sum, report) => sum + report.waiting, 0),
      pauseMs: Math.min(PAUSE_MS.idle, ...reports.map((report) => report.pauseMs)),
    };
  }

  /** Those where runs wait; from time to time all, in case a count is wrong. */
  async #pools(all: boolean): Promise<readonly ModelId[]> {
    const { redis } = this.#options.ledger;
    const waiting = await redis.hkeys(this.#keys.admission);
    const known = all ? await listPools(redis, this.#options.shards) : [];
    return [...new Set([...waiting.map((pool) => modelIdSchema.parse(pool)), ...known])];
  }

  async #feed(
    pool: ModelId,
    pass: {
      readonly now: number;
      readonly check: boolean;
      readonly pace: Pace | undefined;
      readonly paces: Map<ModelId, Pace>;
    },
  ): Promise<PoolReport> {
    const { queues, placesOf, shard, shards } = this.#options;
    const { now, pace } = pass;
    const [places, counts] = await Promise.all([placesOf(pool), queues.countsOf(pool, shard)]);
    const window = Math.ceil(
      Math.max(WINDOW_MIN, (WINDOW_A_PLACE * places) / shards, WINDOW_MS * (pace?.runsPerMs ?? 0)),
    );
    const reply = await this.#run(
      "feed",
      [this.#keys.admission],
      [pool, String(window), String(counts.prioritized), String(FED_AT_ONCE_MAX), pass.check ? "1" : ""],
    );
    const [, waiting, why, waitMs, ...pairs] = replySchema.parse(reply);
    const fed = readPairs(pairs);
    if (fed.length > 0) await this.#add(pool, fed);
    const next = nextPace(pace, fed.length, now);
    if (waiting > 0) pass.paces.set(pool, next);
    return { fed: fed.length, waiting, pauseMs: pauseOf({ waiting, window, why, waitMs }, next) };
  }

  async #add(pool: ModelId, fed: readonly Fed[]): Promise<void> {
    await this.#options.queues.enqueueAll(
      pool,
      fed.map(({ runId, priority }) => ({
        entry: { runId, ticket: 1, pool },
        options: { priority: priority === DEFAULT_PRIORITY ? 0 : priority, progress: "admitted" },
      })),
    );
  }
}

/** What fills the window at first tells nothing of the pace. */
function nextPace(before: Pace | undefined, fed: number, now: number): Pace {
  if (before === undefined) return { at: now, runsPerMs: 0 };
  const sample = fed / Math.max(1, now - before.at);
  return { at: now, runsPerMs: before.runsPerMs === 0 ? sample : (before.runsPerMs + sample) / 2 };
}

interface Left {
  readonly waiting: number;
  readonly window: number;
  readonly why: "full" | "turns" | "asleep";
  readonly waitMs: number;
}

/** A full window is looked at again when a quarter of it will have begun. */
function pauseOf({ waiting, window, why, waitMs }: Left, { runsPerMs }: Pace): number {
  if (waiting === 0) return PAUSE_MS.idle;
  switch (why) {
    case "turns":
      return PAUSE_MS.turns;
    case "asleep":
      return Math.min(PAUSE_MS.idle, Math.max(PAUSE_MS.asleep, waitMs));
    case "full": {
      const quarterMs = runsPerMs === 0 ? PAUSE_MS.turns : window / 4 / runsPerMs;
      return Math.ceil(Math.min(PAUSE_MS.max, Math.max(PAUSE_MS.min, quarterMs)));
    }
  }
}

interface Fed {
  readonly runId: RunId;
  readonly priority: number;
}

function readPairs(
  pairs: readonly string[],
): readonly { readonly runId: RunId; readonly priority: number }[] {
  const fed: { readonly runId: RunId; readonly priority: number }[] = [];
  for (let place = 0; place + 1 < pairs.length; place += 2) {
    fed.push({ runId: runIdSchema.parse(pairs[place]), priority: Number(pairs[place + 1]) });
  }
  return fed;
}

/** How many runs wait for their admission to each pool's queue. */
export async function readAdmission(
  redis: Ledger["redis"],
  shards = 1,
): Promise<ReadonlyMap<ModelId, number>> {
  const waiting = new Map<ModelId, number>();
  for (let shard = 0; shard < shards; shard += 1) {
    for (const [name, count] of Object.entries(await redis.hgetall(admissionKeys(shard).admission))) {
      const pool = modelIdSchema.parse(name);
      waiting.set(pool, (waiting.get(pool) ?? 0) + Number(count));
    }
  }
  return waiting;
}
