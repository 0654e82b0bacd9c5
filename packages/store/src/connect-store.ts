/** Opens the whole store on one Redis: checked first, then its connections, ledger, queues and hub, closed together. */
import { BatonError } from "@baton/core";
import { agreeOnKeys } from "./agree-on-keys.ts";
import type { Cipher } from "./cipher.ts";
import { openBlockingConnection, openFailFastConnection, openLedgerConnection } from "./connection.ts";
import { EventHub } from "./event-hub.ts";
import { createLedger, type Ledger, type RetentionMs } from "./ledger.ts";
import { PoolQueues } from "./pool-queues.ts";
import type { RedisClient } from "./redis-client.ts";
import { agreeOnShards } from "./shards.ts";
import { checkRedis, type RedisFitness } from "./startup-check.ts";

export interface ConnectedStore extends AsyncDisposable {
  readonly connection: RedisClient;
  readonly ledger: Ledger;
  readonly queues: PoolQueues;
  readonly hub: EventHub;
  readonly fitness: RedisFitness;
  /** How many the store has. */
  readonly shards: number;
}

export interface ConnectStoreOptions {
  /** `redis://…`, `redis-cluster://…`, `redis-sentinel://…`, the path of a unix socket: see redis-url.ts. */
  readonly url: string;
  /** How long a run is kept after its end, in milliseconds, for all or by how it ended; 0 for ever. */
  readonly retentionMs: number | RetentionMs;
  /** How many shards the store is to have; absent: what it has, and 1 when it is new. */
  readonly shards?: number | undefined;
  /** Seals what belongs to the callers; absent: it lies in Redis as it is. */
  readonly cipher?: Cipher | undefined;
  /** Hears of connection errors while Redis is away; commands wait for it to come back. */
  readonly onError: (error: Error) => void;
}

/**
 * Throws `redis_unreachable` at once when nothing answers, `redis_unfit` when it would lose runs, and
 * `encryption_key_missing` when what others write could not be read.
 */
export async function connectStore({
  url,
  retentionMs,
  shards: wanted,
  cipher,
  onError,
}: ConnectStoreOptions): Promise<ConnectedStore> {
  const { fitness, shards } = await askFirst(url, wanted, cipher);
  const connection = openLedgerConnection({ url, onError });
  const queues = new PoolQueues(connection, onError, shards);
  const hub = new EventHub(openBlockingConnection({ url, onError }), shards);
  return {
    connection,
    ledger: createLedger(connection, { retentionMs, shards, cipher }),
    queues,
    hub,
    fitness,
    shards,
    async [Symbol.asyncDispose]() {
      await queues.close();
      await hub.close();
      connection.disconnect();
    },
  };
}

async function askFirst(
  url: string,
  wanted: number | undefined,
  cipher: Cipher | undefined,
): Promise<{ readonly fitness: RedisFitness; readonly shards: number }> {
  const probe = await openFailFastConnection({ url });
  try {
    const fitness = await checkRedis(probe);
    const shards = await agreeOnShards(probe, wanted);
    await agreeOnKeys(probe, cipher);
    return { fitness, shards };
  } catch (error) {
    if (error instanceof BatonError) throw error;
    const message = "the Redis answered, but could not be asked what it is";
    throw new BatonError("redis_unreachable", message, { cause: error });
  } finally {
    probe.disconnect();
  }
}
