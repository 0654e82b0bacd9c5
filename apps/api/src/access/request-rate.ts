/**
 * The rate at which a key may ask, counted in Redis for all API processes together. While Redis is away, or slow, each
 * process counts for itself: the bound is looser then, and a request neither waits for it nor fails by it.
 */
import type { ApiKeys, RedisClient, Taken } from "@baton/store";
import { Buckets } from "./buckets.ts";

/** Longer than any answer of a Redis that is well. */
const ANSWER_MS_MAX = 500;

export interface RequestRateOptions {
  readonly keys: Pick<ApiKeys, "take">;
  readonly connection: Pick<RedisClient, "status">;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
}

export interface RequestRate {
  take(keyId: string, perMinute: number): Promise<Taken>;
}

export function createRequestRate({ keys, connection, now, onError }: RequestRateOptions): RequestRate {
  const own = new Buckets(now);
  return {
    async take(keyId, perMinute) {
      if (connection.status !== "ready") return own.take(keyId, perMinute);
      try {
        const taken = await inTime(keys.take(keyId, perMinute));
        if (taken !== undefined) return taken;
      } catch (error) {
        onError(error);
      }
      return own.take(keyId, perMinute);
    },
  };
}

/** The value, or undefined when it is late; an error that comes later still is the client's to tell. */
async function inTime<Value>(value: Promise<Value>): Promise<Value | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, ANSWER_MS_MAX, undefined);
  try {
    return await Promise.race([value, late]);
  } finally {
    clearTimeout(timer);
  }
}
