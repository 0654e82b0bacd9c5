/**
 * A batch's budget holds for its runs on all shards, and each shard counts what its own runs spend. So the process that
 * leads the first shard tells each of them, once a second, what was spent on the others: a budget is passed by what is
 * spent meanwhile, at most. On one shard there is nothing to tell.
 */
import { admissionKeys, shardKeys } from "./keys.ts";
import type { RedisClient } from "./redis-client.ts";

const BATCHES_A_PASS = 200;
const FIELDS = ["created", "tokens_max", "cost_max", "tokens", "cost", "tokens_elsewhere", "cost_elsewhere"];

export class BatchBudgets {
  readonly #redis: RedisClient;
  readonly #shards: number;
  #place = 0;

  constructor(redis: RedisClient, shards: number) {
    this.#redis = redis;
    this.#shards = shards;
  }

  /** Brings some batches up to date, the newest first and then on. */
  async pass(): Promise<void> {
    if (this.#shards === 1) return;
    const from = this.#place;
    const ids = await this.#redis.zrevrange(admissionKeys(0).batches, from, from + BATCHES_A_PASS - 1);
    this.#place = ids.length < BATCHES_A_PASS ? 0 : from + BATCHES_A_PASS;
    await Promise.all(ids.map((id) => this.#tell(id)));
  }

  async #tell(id: string): Promise<void> {
    const keys = Array.from({ length: this.#shards }, (_, shard) => shardKeys(shard).batchPrefix + id);
    const parts = await Promise.all(keys.map((key) => this.#redis.hmget(key, ...FIELDS)));
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
