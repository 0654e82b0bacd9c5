/** Opens the store for one app: connections, ledger, queues and hub, closed together. */
import { BatonError, type Config, type IdSource } from "@baton/core";
import { Producer } from "@baton/producer";
import {
  checkRedis,
  createLedger,
  EventHub,
  type Ledger,
  openBlockingConnection,
  openFailFastConnection,
  openLedgerConnection,
  PoolQueues,
  type RedisFitness,
} from "@baton/store";
import type { Redis } from "ioredis";

export interface Store extends AsyncDisposable {
  readonly ledger: Ledger;
  readonly connection: Redis;
  readonly queues: PoolQueues;
  readonly hub: EventHub;
  readonly producer: Producer;
  readonly fitness: RedisFitness;
}

export interface StoreOptions {
  readonly url: string;
  readonly config: Config;
  readonly ids: IdSource;
  readonly onError: (error: Error) => void;
}

const DAY_MS = 86_400_000;

/** Throws `redis_unreachable` at once when nothing answers, and `redis_unfit` when it would lose runs. */
export async function openStore({ url, config, ids, onError }: StoreOptions): Promise<Store> {
  const probe = await openFailFastConnection({ url });
  let fitness: RedisFitness;
  try {
    fitness = await checkRedis(probe);
  } catch (error) {
    throw error instanceof BatonError
      ? error
      : new BatonError("redis_unreachable", "the Redis answered, but could not be asked what it is", {
          cause: error,
        });
  } finally {
    probe.disconnect();
  }
  const connection = openLedgerConnection({ url, onError });
  const ledger = createLedger(connection, { retentionMs: config.retention.days * DAY_MS });
  const queues = new PoolQueues(connection, onError);
  const hub = new EventHub(openBlockingConnection({ url, onError }));
  return {
    ledger,
    connection,
    queues,
    hub,
    fitness,
    producer: new Producer({ ledger, queues, hub, ids }),
    async [Symbol.asyncDispose]() {
      await queues.close();
      await hub.close();
      connection.disconnect();
    },
  };
}
