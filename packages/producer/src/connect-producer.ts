/**
 * A producer for programs that are no part of Baton's own apps: connects to Redis, checks that it will do, and
 * closes what it opened. This is the one place of the package that takes the machine's clock and randomness.
 */
import { randomBytes } from "node:crypto";
import { type IdSource, randomPool } from "@baton/core";
import {
  checkRedis,
  createLedger,
  EventHub,
  openBlockingConnection,
  openFailFastConnection,
  openLedgerConnection,
  PoolQueues,
} from "@baton/store";
import { Producer } from "./producer.ts";

export interface ConnectOptions {
  /** `redis://…`, `rediss://…`, or the path of a unix socket. */
  readonly url: string;
  /** How long a run is kept after its end when this producer ends it (a cancel), in days; default 7. */
  readonly retentionDays?: number;
  /** Hears of connection errors while Redis is away; commands wait for it to come back. */
  readonly onError?: (error: Error) => void;
}

export interface ConnectedProducer extends AsyncDisposable {
  readonly producer: Producer;
}

const DAY_MS = 86_400_000;

/** Throws `redis_unreachable` at once when nothing answers, and `redis_unfit` when it would lose runs. */
export async function connectProducer(options: ConnectOptions): Promise<ConnectedProducer> {
  const { url, onError = () => undefined } = options;
  const probe = await openFailFastConnection({ url });
  try {
    await checkRedis(probe);
  } finally {
    probe.disconnect();
  }
  const connection = openLedgerConnection({ url, onError });
  const ledger = createLedger(connection, { retentionMs: (options.retentionDays ?? 7) * DAY_MS });
  const queues = new PoolQueues(connection, onError);
  const hub = new EventHub(openBlockingConnection({ url, onError }));
  const ids: IdSource = { now: () => Date.now(), random: randomPool(randomBytes) };
  return {
    producer: new Producer({ ledger, queues, hub, ids }),
    async [Symbol.asyncDispose]() {
      await queues.close();
      await hub.close();
      connection.disconnect();
    },
  };
}
