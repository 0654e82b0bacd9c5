/**
 * One round through all live runs, in steps: first the ids of the jobs that the queues hold are read in bulk, then
 * the runs of `live`, page by page, and each is compared with them. What has no job by that is handed out to be
 * suspected. A round that is spread over a minute still compares like with like: entries that are younger than its
 * beginning are left to the next one.
 *
 * A quick round asks of each run only whether the queues hold some job of it, which needs no record. An exact one reads
 * the records, ten times as dear: it sees that the job that is there is of an old ticket, that a job has lost its hash,
 * that a run should not be in `live`; and it counts the runs of each pool. The counts are worth something when nothing
 * has moved during the round.
 */
import type { ModelId, RunId } from "@baton/core";
import { jobIdOf } from "@baton/core";
import { glanceRuns, type LiveRun } from "./glance-runs.ts";
import { shardKeys } from "./keys.ts";
import { JOB_IDS_MAX, type PoolQueues } from "./pool-queues.ts";
import type { RedisClient } from "./redis-client.ts";
import { backlogOf } from "./registry.ts";
import type { RunScript } from "./scripts.ts";
import { runIdIn } from "./shards.ts";

export interface EntryRoundOptions {
  readonly redis: RedisClient;
  readonly run: RunScript;
  readonly queues: PoolQueues;
  readonly shard?: number;
  /** Redis' time. */
  readonly now: number;
  readonly exact: boolean;
}

export interface RoundStep {
  /** Live runs that have no job, as far as the bulk of ids tells. */
  readonly missed: readonly LiveRun[];
  /** Members of `live` that should not be there. */
  readonly misplaced: readonly RunId[];
  readonly corrupt: readonly RunId[];
  /** Members that are no run ids at all. */
  readonly garbage: readonly string[];
}

export interface BacklogCount {
  readonly pool: ModelId;
  readonly seen: number;
  readonly actual: number;
}

type Found = { [Kind in keyof RoundStep]: RoundStep[Kind][number][] };

const PAGE = 1_000;
/** No entry that is made while a pass goes on is so much younger than its beginning. */
const FUTURE_MS = 60_000;

export class EntryRound {
  readonly #options: EntryRoundOptions;
  readonly #shard: number;
  readonly #live: string;
  /** In an exact round the ids of jobs, in a quick one those of their runs. */
  readonly #there = new Set<string>();
  /** Pools whose jobs are still to be read, the page that comes next first. */
  #unread: { readonly pool: ModelId; readonly page: number }[] | undefined;
  /** Pools whose jobs were not read because they are too many: there, only the jobs' hashes are looked at. */
  readonly #tooLong = new Set<ModelId>();
  #cursor = { score: "-inf", seenAtScore: 0 };
  #walked = false;
  #backlogBefore: ReadonlyMap<ModelId, number> = new Map();
  #sizeBefore = 0;
  readonly #counts = new Map<ModelId, number>();

  constructor(options: EntryRoundOptions) {
    this.#options = options;
    this.#shard = options.shard ?? 0;
    this.#live = shardKeys(this.#shard).live;
  }

  get isExact(): boolean {
    return this.#options.exact;
  }

  get isOver(): boolean {
    return this.#walked;
  }

  /** Goes on by about so many runs or job ids; `now` is Redis' time. */
  async step(size: number, now: number): Promise<RoundStep> {
    this.#unread ??= await this.#begin();
    let left = size;
    while (left > 0 && this.#unread.length > 0) left -= await this.#readJobs(this.#unread);
    const found: Found = { missed: [], misplaced: [], corrupt: [], garbage: [] };
    // Where not all jobs could be read, a quick look tells nothing.
    if (this.#tooLong.size > 0 && !this.#options.exact) this.#walked = true;
    while (left > 0 && !this.#walked) left -= await this.#walk(Math.min(PAGE, left), found);
    if (this.#walked) await this.#lookAhead(now, found);
    return found;
  }

  /** After an exact round: pools whose count is wrong for sure, because nothing has moved since it began. */
  async wrongCounts(): Promise<readonly BacklogCount[]> {
    const { redis, now } = this.#options;
    const [size, newer, backlog] = await Promise.all([
      redis.zcard(this.#live),
      redis.zcount(this.#live, `(${now}`, "+inf"),
      backlogOf(redis, this.#shard),
    ]);
    if (size !== this.#sizeBefore || newer > 0) return [];
    const pools = new Set([...backlog.keys(), ...this.#counts.keys()]);
    return [...pools].flatMap((pool) => {
      const [seen, actual] = [backlog.get(pool) ?? 0, this.#counts.get(pool) ?? 0];
      return seen !== actual && this.#backlogBefore.get(pool) === backlog.get(pool)
        ? [{ pool, seen, actual }]
        : [];
    });
  }

  async #begin() {
    this.#backlogBefore = await backlogOf(this.#options.redis, this.#shard);
    this.#sizeBefore = await this.#options.redis.zcard(this.#live);
    // A run of any other pool counts as missing here, and is looked at by itself before it is suspected.
    return [...this.#backlogBefore].flatMap(([pool, runs]) => (runs > 0 ? [{ pool, page: 0 }] : []));
  }

  /** Reads one page of job ids; returns how many there were, at least 1. */
  async #readJobs(unread: { readonly pool: ModelId; readonly page: number }[]): Promise<number> {
    const next = unread.pop();
    if (next === undefined) return 1;
    const ids = await this.#options.queues.jobIds(next.pool, next.page, this.#shard);
    const { exact } = this.#options;
    for (const id of ids) this.#there.add(exact ? id : id.slice(0, id.lastIndexOf("-")));
    if (this.#there.size > JOB_IDS_MAX) this.#tooLong.add(next.pool);
    else if (ids.length > 0) unread.push({ pool: next.pool, page: next.page + 1 });
    return Math.max(1, ids.length);
  }

  /** Compares one page of `live`; returns how many runs there were, at least 1. */
  async #walk(size: number, found: Found): Promise<number> {
    const { redis, now } = this.#options;
    const { score, seenAtScore } = this.#cursor;
    const page = await redis.zrangebyscore(this.#live, score, now, "LIMIT", seenAtScore, size);
    const last = page.at(-1);
    if (last === undefined || page.length < size) this.#walked = true;
    else this.#cursor = await this.#behind(last, page.length);
    await this.#look(page, found);
    return Math.max(1, page.length);
  }

  /** Entries from a future that a clock had before it was set back: they are older than they look. */
  async #lookAhead(now: number, found: Found): Promise<void> {
    const { redis } = this.#options;
    const future = now + FUTURE_MS;
    await this.#look(await redis.zrangebyscore(this.#live, future, "+inf", "LIMIT", 0, PAGE), found);
  }

  async #look(page: readonly string[], found: Found): Promise<void> {
    const { exact } = this.#options;
    const ids: RunId[] = [];
    for (const member of page) {
      if (!exact && this.#there.has(member)) continue;
      const id = runIdIn(this.#shard, member);
      if (id === undefined) found.garbage.push(member);
      else ids.push(id);
    }
    await this.#compare(ids, found);
  }

  /** Behind a page's last entry. Several entries may have its score, and some of them come with the next page. */
  async #behind(last: string, pageLength: number) {
    const { redis, now } = this.#options;
    const before = this.#cursor;
    const score = await redis.zscore(this.#live, last);
    // It has moved on meanwhile: what else is at that place is looked at once more.
    if (score === null || Number(score) > now)
      return { score: before.score, seenAtScore: before.seenAtScore + pageLength - 1 };
    const lower = await redis.zcount(this.#live, before.score, `(${score}`);
    const same = pageLength - Math.max(0, lower - before.seenAtScore);
    return {
      score,
      seenAtScore: score === before.score ? before.seenAtScore + pageLength : Math.max(0, same),
    };
  }

  async #compare(ids: readonly RunId[], found: Found): Promise<void> {
    const { run, queues, exact } = this.#options;
    const glances = await glanceRuns(run, ids);
    const listed: LiveRun[] = [];
    for (const [place, glance] of glances.entries()) {
      const id = ids[place];
      if (id === undefined) continue;
      if (glance.kind === "corrupt") found.corrupt.push(id);
      else if (glance.kind !== "live" || glance.run.ticket === 0) found.misplaced.push(id);
      else {
        const { pool, ticket } = glance.run;
        this.#counts.set(pool, (this.#counts.get(pool) ?? 0) + 1);
        const isListed = exact && this.#there.has(jobIdOf(id, ticket));
        (isListed || this.#tooLong.has(pool) ? listed : found.missed).push(glance.run);
      }
    }
    const entries = listed.map((live) => ({ runId: live.id, ticket: live.ticket, pool: live.pool, live }));
    for (const { live } of await queues.hashless(entries)) found.missed.push(live);
  }
}
