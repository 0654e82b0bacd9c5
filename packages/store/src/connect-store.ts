/** Opens the whole store on one Redis: checked first, then its connections, ledger, queues and hub, closed together. */
import { BatonError } from "@baton/core";
import type { Redis } from "ioredis";
import { openBlockingConnection, openFailFastConnection, openLedgerConnection } from "./connection.ts";
import { EventHub } from "./event-hub.ts";
import { createLedger, type Ledger, type RetentionMs } from "./ledger.ts";
import { PoolQueues } from "./pool-queues.ts";
import { checkRedis, type RedisFitness } from "./startup-check.ts";

export interface ConnectedStore extends AsyncDisposable {
  readonly connection: Redis;
  readonly ledger: Ledger;
  readonly queues: PoolQueues;
  readonly hub: EventHub;
  readonly fitness: RedisFitness;
}

export interface ConnectStoreOptions {
  /** `redis://…`, `rediss://…`, or the path of a unix socket. */
  readonly url: string;
  /** How long a run is kept after its end, in milliseconds, for all or by how it ended; 0 for ever. */
  readonly retentionMs: number | RetentionMs;
  /** Hears of connection errors while Redis is away; commands wait for it to come back. */
  readonly onError: (error: Error) => void;
}

/** Throws `redis_unreachable` at once when nothing answers, and `redis_unfit` when it would lose runs. */
export async function connectStore({
  url,
  retentionMs,
  onError,
}: ConnectStoreOptions): Promise<ConnectedStore> {
  const fitness = await fitnessOf(url);
  const connection = openLedgerConnection({ url, onError });
  const queues = new PoolQueues(connection, onError);
  const hub = new EventHub(openBlockingConnection({ url, onError }));
  return {
    connection,
    ledger: createLedger(connection, { retentionMs }),
    queues,
    hub,
    fitness,
    async [Symbol.asyncDispose]() {
      await queues.close();
      await hub.close();
      connection.disconnect();
    },
  };
}

async function fitnessOf(url: string): Promise<RedisFitness> {
  const probe = await openFailFastConnection({ url });
  try {
    return await checkRedis(probe);
  } catch (error) {
    if (error instanceof BatonError) throw error;
    const message = "the Redis answered, but could not be asked what it is";
    throw new BatonError("redis_unreachable", message, { cause: error });
  } finally {
    probe.disconnect();
  }
}
