/**
 * A batch's budget holds for its runs on all shards, and each shard counts what its own runs spend. So the process that
 * leads the first shard tells each of them what was spent on the others: 200 batches a second, the newest first, and then
 * on. A budget is passed by what is spent meanwhile, at most. On one shard there is nothing to tell.
 *
 * It also keeps the hash of a batch on shards without runs of it while others have some, and takes batches out of the list
 * whose hash has run out (batches.ts).
 */
import { KEPT_FOR_SHARDS_MS, renewBatch, sweepBatch } from "./batches.ts";
import { admissionKeys, shardKeys } from "./keys.ts";
import type { RedisClient } from "./redis-client.ts";
import { defineScripts, type RunScript } from "./scripts.ts";

const BATCHES_A_PASS = 200;
const FIELDS = ["created", "tokens_max", "cost_max", "tokens", "cost", "tokens_elsewhere", "cost_elsewhere"];

export class BatchBudgets {
  readonly #redis: RedisClient;
  readonly #run: RunScript;
  readonly #shards: number;
  #place = 0;

  constructor(redis: RedisClient, shards: number) {
    this.#redis = redis;
    this.#run = defineScripts(redis);
    this.#shards = shards;
  }

  /** Brings some batches up to date, the newest first and then on. */
  async pass(): Promise<void> {
    const from = this.#place;
    const keys = Array.from({ length: this.#shards }, (_, shard) => admissionKeys(shard).batches);
    const lists = await Promise.all(
      keys.map((key) => this.#redis.zrevrange(key, from, from + BATCHES_A_PASS - 1)),
    );
    this.#place = lists.every((ids) => ids.length < BATCHES_A_PASS) ? 0 : from + BATCHES_A_PASS;
    // A batch may have left one shard and be at work on the others.
    await Promise.all([...new Set(lists.flat())].map((id) => this.#tend(id, lists)));
  }

  async #tend(id: string, lists: readonly (readonly string[])[]): Promise<void> {
    const keys = Array.from({ length: this.#shards }, (_, shard) => shardKeys(shard).batchPrefix + id);
    const parts = await Promise.all(keys.map((key) => this.#redis.hmget(key, ...FIELDS)));
    await Promise.all(
      parts.map(async ([created], shard) => {
        if (created === null && lists[shard]?.includes(id)) await sweepBatch(this.#run, shard, id);
      }),
    );
    if (this.#shards === 1) return;
    await this.#tell(keys, parts);
    await this.#keep(id, keys);
  }

  /** A hash that does not run out has runs. */
  async #keep(id: string, keys: readonly string[]): Promise<void> {
    const left = await Promise.all(keys.map((key) => this.#redis.pttl(key)));
    if (!left.includes(-1)) return;
    await Promise.all(
      left.map(async (ms, shard) => {
        if (ms >= 0 && ms < KEPT_FOR_SHARDS_MS / 2) await renewBatch(this.#run, shard, id);
      }),
    );
  }

  async #tell(keys: readonly string[], parts: readonly (readonly (string | null)[])[]): Promise<void> {
    if (!parts.some(([, tokensMax, costMax]) => tokensMax || costMax)) return;
    const [tokens, cost] = [sumOf(parts, 3), sumOf(parts, 4)];
    await Promise.all(
      parts.map(async (part, shard) => {
        const elsewhere = [tokens - Number(part[3] ?? 0), cost - Number(part[4] ?? 0)].map(String);
        const isKnown = part[5] === elsewhere[0] && part[6] === elsewhere[1];
        const key = keys[shard];
        if (key === undefined || part[0] === null || isKnown) return;
        await this.#redis.hset(
          key,
          "tokens_elsewhere",
          elsewhere[0] ?? "0",
          "cost_elsewhere",
          elsewhere[1] ?? "0",
        );
      }),
    );
  }
}

function sumOf(parts: readonly (readonly (string | null)[])[], place: number): number {
  return parts.reduce((sum, part) => sum + Number(part[place] ?? 0), 0);
}
