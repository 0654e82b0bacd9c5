/**
 * Connections to Redis. Three kinds, because they fail differently: `ledger` commands wait for a reconnect and
 * are sent again (every script takes that, R1); `blocking` ones belong to BullMQ's readers; a `failFast` one
 * serves people, who want an error at once rather than a reply in a minute.
 */
import { BatonError } from "@baton/core";
import { Redis, type RedisOptions } from "ioredis";

const RECONNECT_MS_MAX = 1_000;

export interface ConnectionOptions {
  readonly url: string;
  /** Hears of connection errors; without it they would be thrown as unhandled `error` events. */
  readonly onError: (error: Error) => void;
}

/** For workers, reconcilers and queues: waits as long as Redis is away. */
export function openLedgerConnection(options: ConnectionOptions): Redis {
  return open(options, { maxRetriesPerRequest: null, enableAutoPipelining: true, enableReadyCheck: true });
}

/** For subscriptions and blocking reads: never pipelined behind others' commands. */
export function openBlockingConnection(options: ConnectionOptions): Redis {
  return open(options, { maxRetriesPerRequest: null });
}

/** For commands and requests of people: gives up after a short while with `redis_unreachable`. */
export async function openFailFastConnection(options: Pick<ConnectionOptions, "url">): Promise<Redis> {
  // What goes wrong is thrown to the caller of each command; said twice it would be noise.
  const redis = open(
    { ...options, onError: () => undefined },
    {
      maxRetriesPerRequest: 1,
      connectTimeout: 3_000,
      lazyConnect: true,
      enableAutoPipelining: true,
    },
  );
  try {
    await redis.connect();
    return redis;
  } catch (error) {
    redis.disconnect();
    throw new BatonError(
      "redis_unreachable",
      `no Redis answers at ${describeUrl(options.url)}: start one, or set BATON_REDIS_URL to where it is`,
      { cause: error, retry: "backoff" },
    );
  }
}

/**
 * A Redis URL without its password, for messages (R9). In every form that the client takes: with a scheme or
 * without, the password before the host or as a parameter, also behind the path of a socket.
 */
export function describeUrl(url: string): string {
  return url
    .replace(/([?&]\w*password=)[^&#]*/gi, "$1***")
    .replace(/^((?:rediss?:)?(?:\/\/)?[^/?#:]*:)[^/?#]*@/i, "$1***@");
}

function open(options: ConnectionOptions, redisOptions: RedisOptions): Redis {
  const redis = new Redis(options.url, {
    ...redisOptions,
    retryStrategy: (attempt) => Math.min(50 * attempt, RECONNECT_MS_MAX),
  });
  redis.on("error", options.onError);
  return redis;
}
