/**
 * A producer for programs that are no part of Baton's own apps. This is the one place of the package that takes the
 * machine's clock and randomness.
 */
import { randomBytes } from "node:crypto";
import { type IdSource, randomPool } from "@baton/core";
import { connectStore } from "@baton/store";
import { Producer } from "./producer.ts";

export interface ConnectOptions {
  /** As BATON_REDIS_URL: `redis://…`, `redis-cluster://…`, `redis-sentinel://…`, or the path of a unix socket. */
  readonly url: string;
  /** As BATON_SHARDS: how many shards a new store is to have; absent: what the store has. */
  readonly shards?: number;
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
  const { url, shards, onError = () => undefined } = options;
  const store = await connectStore({
    url,
    shards,
    retentionMs: (options.retentionDays ?? 7) * DAY_MS,
    onError,
  });
  const ids: IdSource = { now: () => Date.now(), random: randomPool(randomBytes) };
  return {
    producer: new Producer({ ...store, ids }),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
