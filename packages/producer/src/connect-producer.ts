/**
 * A producer for programs that are no part of Baton's own apps. This is the one place of the package that takes the
 * machine's clock and randomness.
 */
import { randomBytes } from "node:crypto";
import { type IdSource, randomPool } from "@baton/core";
import { cipherOf, connectStore, parseEncryptionKeys } from "@baton/store";
import { Producer } from "./producer.ts";
import { RemoteProducer } from "./remote/remote-producer.ts";

export interface ConnectOptions {
  /** As BATON_REDIS_URL: `redis://…`, `redis-cluster://…`, `redis-sentinel://…`, or the path of a unix socket. */
  readonly url: string;
  /** As BATON_SHARDS: how many shards a new store is to have; absent: what the store has. */
  readonly shards?: number;
  /** As BATON_ENCRYPTION_KEYS, the same as the workers have; absent: nothing is encrypted. */
  readonly encryptionKeys?: string | undefined;
  /** How long a run is kept after its end when this producer ends it (a cancel), in days; default 7. */
  readonly retentionDays?: number;
  /** Hears of connection errors while Redis is away; commands wait for it to come back. */
  readonly onError?: (error: Error) => void;
}

export interface ConnectServerOptions {
  /** As BATON_SERVER: where the HTTP API is, such as `https://baton.example.com`. */
  readonly server: string;
  /** As BATON_API_KEY; absent: the API asks for none. */
  readonly apiKey?: string | undefined;
  /** How long calls wait for a server that went away, in milliseconds; default two minutes. */
  readonly patienceMs?: number;
  /** Hears of errors while the server is away. */
  readonly onError?: (error: Error) => void;
}

export interface ConnectedProducer extends AsyncDisposable {
  readonly producer: Producer;
}

export interface ConnectedServer extends AsyncDisposable {
  readonly producer: RemoteProducer;
}

const DAY_MS = 86_400_000;

const ids: IdSource = { now: () => Date.now(), random: randomPool(randomBytes) };

/**
 * Throws `redis_unreachable` or `server_unreachable` at once when nothing answers; of a Redis, `redis_unfit` when it would
 * lose runs, and `encryption_key_missing` when the store is encrypted with a key that is not given.
 */
export function connectProducer(options: ConnectServerOptions): Promise<ConnectedServer>;
export function connectProducer(options: ConnectOptions): Promise<ConnectedProducer>;
export function connectProducer(
  options: ConnectOptions | ConnectServerOptions,
): Promise<ConnectedProducer | ConnectedServer> {
  return "server" in options ? connectServer(options) : connectRedis(options);
}

async function connectServer(options: ConnectServerOptions): Promise<ConnectedServer> {
  const { onError = () => undefined } = options;
  return {
    producer: await RemoteProducer.connect({ ...options, ids, onError }),
    // Each call has its own connection, which ends with it or soon after.
    [Symbol.asyncDispose]: async () => undefined,
  };
}

async function connectRedis(options: ConnectOptions): Promise<ConnectedProducer> {
  const { url, shards, encryptionKeys, onError = () => undefined } = options;
  const keys = encryptionKeys === undefined ? [] : parseEncryptionKeys(encryptionKeys);
  const store = await connectStore({
    url,
    shards,
    cipher: cipherOf({ keys, random: ids.random }),
    retentionMs: (options.retentionDays ?? 7) * DAY_MS,
    onError,
  });
  return {
    producer: new Producer({ ...store, ids }),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
