/**
 * Connections to Redis. Three kinds, because they fail differently: `ledger` commands wait for a reconnect and
 * are sent again (every script takes that, R1); `blocking` ones belong to BullMQ's readers; a `failFast` one
 * serves people, who want an error at once rather than a reply in a minute.
 */
import { BatonError } from "@baton/core";
import { Redis, type RedisOptions } from "ioredis";

const RECONNECT_MS_MAX = 1_000;
const ANSWER_MS_MAX = 5_000;

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
  // What goes wrong is thrown to the caller of each command; said twice it would be noise. While it connects, the
  // event alone has the reason: what is thrown says only that the connection is closed.
  let reason: Error | undefined;
  const redis = open(
    {
      ...options,
      onError: (error) => {
        reason = error;
      },
    },
    {
      maxRetriesPerRequest: 1,
      connectTimeout: 3_000,
      lazyConnect: true,
      enableAutoPipelining: true,
    },
  );
  try {
    await withinAnswerTime(redis.connect());
    // Whoever asks for a password says so at the first command.
    await withinAnswerTime(redis.ping());
    return redis;
  } catch (error) {
    redis.disconnect();
    throw unreachable(options.url, reason ?? error);
  }
}

/** A server that takes the connection and says nothing, or still loads its data, would be waited for without end. */
async function withinAnswerTime<Value>(answer: Promise<Value>): Promise<Value> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${ANSWER_MS_MAX} ms`)), ANSWER_MS_MAX);
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

function unreachable(url: string, error: unknown): BatonError {
  const place = describeUrl(url);
  const said = error instanceof Error ? error.message : String(error);
  const message = /WRONGPASS|NOAUTH|NOPERM|invalid password|without any password/i.test(said)
    ? `the Redis at ${place} does not take the user or password that it is given: check those in BATON_REDIS_URL`
    : `no Redis answers at ${place}: start one, or set BATON_REDIS_URL to where it is`;
  return new BatonError("redis_unreachable", message, { cause: error, retry: "backoff" });
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
