/**
 * Connections to Redis. Three kinds, because they fail differently: `ledger` commands wait for a reconnect or a
 * failover and are sent again (every script takes that, R1); `blocking` ones belong to BullMQ's readers; a `failFast`
 * one serves people, who want an error at once rather than a reply in a minute.
 */
import { BatonError } from "@baton/core";
import { Cluster, Redis, type RedisOptions } from "ioredis";
import { isDiskRefusal } from "./answers.ts";
import { dropCommand } from "./drop-command.ts";
import type { RedisClient } from "./redis-client.ts";
import { describeUrl, parseRedisUrl, type RedisPlace } from "./redis-url.ts";
import { steady } from "./steady.ts";

export type { RedisClient } from "./redis-client.ts";
export { describeUrl, parseRedisUrl, type RedisPlace } from "./redis-url.ts";

const RECONNECT_MS_MAX = 1_000;
const ANSWER_MS_MAX = 5_000;
/** How long a primary of a cluster may be silent before it is seen that another one has its slots. */
const SLOTS_REFRESH_MS = 3_000;
/** Of a node that is asked who has the slots; then another one is. */
const SLOTS_ANSWER_MS_MAX = 2_000;
/** What a server says that is no primary any more, or not yet. */
const NO_PRIMARY = /^(READONLY|LOADING|MASTERDOWN|NOREPLICAS|CLUSTERDOWN|TRYAGAIN)\b/;

export interface ConnectionOptions {
  /** See redis-url.ts for its forms. */
  readonly url: string;
  /** Hears of connection errors; without it they would be thrown as unhandled `error` events. */
  readonly onError: (error: Error) => void;
}

/** For workers, reconcilers and queues: waits as long as Redis is away. */
export function openLedgerConnection(options: ConnectionOptions): RedisClient {
  return openSteady(options, { enableAutoPipelining: true, enableReadyCheck: true });
}

/** For subscriptions and blocking reads: never pipelined behind others' commands. */
export function openBlockingConnection(options: ConnectionOptions): RedisClient {
  return openSteady(options, {});
}

function openSteady({ url, onError }: ConnectionOptions, own: RedisOptions): RedisClient {
  const place = parseRedisUrl(url);
  const shared = { ...own, maxRetriesPerRequest: null };
  if (place.kind !== "cluster") {
    // 2: the command that was refused is sent again behind the reconnect, which finds the new primary.
    const single = openSingle(place, {
      ...shared,
      // A primary that hangs closes no connection; the sentinels tell that another one has its place.
      failoverDetector: place.kind === "sentinel",
      reconnectOnError: (error) => (NO_PRIMARY.test(error.message) ? 2 : false),
      onError,
    });
    return steady(single);
  }
  const { enableAutoPipelining = false } = own;
  const cluster = new Cluster(place.nodes.map(copyOf), {
    enableAutoPipelining,
    redisOptions: { ...place.access, ...shared, enableAutoPipelining: false },
    slotsRefreshInterval: SLOTS_REFRESH_MS,
    slotsRefreshTimeout: SLOTS_ANSWER_MS_MAX,
    // It asks any node and waits without end, for one that hangs too. A cluster that is down says so to each command.
    enableReadyCheck: false,
    // A failover takes as long as it takes; each try waits before the next.
    maxRedirections: Number.MAX_SAFE_INTEGER,
    clusterRetryStrategy: reconnectMs,
  });
  cluster.on("error", onError);
  return steady(cluster);
}

export interface FailFastOptions extends Pick<ConnectionOptions, "url"> {
  /** Takes a Redis that cannot write to its disk, too: it says what is the matter with it. */
  readonly onlyLooks?: boolean;
}

/** For commands and requests of people: gives up after a short while with `redis_unreachable`. */
export async function openFailFastConnection({
  url,
  onlyLooks = false,
}: FailFastOptions): Promise<RedisClient> {
  // What goes wrong is thrown to the caller of each command; said twice it would be noise. While it connects, the
  // event alone has the reason: what is thrown says only that the connection is closed.
  let reason: Error | undefined;
  const onError = (error: Error): void => {
    reason = error;
  };
  const redis = openHasty(parseRedisUrl(url), onError);
  let wasLetIn = false;
  redis.once("connect", () => {
    wasLetIn = true;
  });
  try {
    await withinAnswerTime(redis.connect());
    // Whoever asks for a password says so at the first command.
    await withinAnswerTime(redis.ping()).catch((error: unknown) => {
      if (!onlyLooks || !isDiskRefusal(error)) throw error;
    });
    return redis;
  } catch (error) {
    redis.disconnect();
    throw unreachable(url, reason ?? error, wasLetIn);
  }
}

function openHasty(place: RedisPlace, onError: (error: Error) => void): RedisClient {
  const shared = { maxRetriesPerRequest: 1, connectTimeout: 3_000 };
  if (place.kind !== "cluster") {
    return openSingle(place, { ...shared, lazyConnect: true, enableAutoPipelining: true, onError });
  }
  const cluster = new Cluster(place.nodes.map(copyOf), {
    lazyConnect: true,
    enableAutoPipelining: true,
    redisOptions: { ...place.access, ...shared },
    slotsRefreshTimeout: ANSWER_MS_MAX,
    clusterRetryStrategy: () => null,
  });
  cluster.on("error", (error: Error & { readonly lastNodeError?: Error }) =>
    onError(error.lastNodeError ?? error),
  );
  return cluster;
}

type SingleOptions = RedisOptions & Pick<ConnectionOptions, "onError">;

function openSingle(
  place: Exclude<RedisPlace, { kind: "cluster" }>,
  { onError, ...own }: SingleOptions,
): Redis {
  const redis = new Redis({
    ...whereOf(place),
    ...place.access,
    db: place.db,
    retryStrategy: reconnectMs,
    ...own,
  });
  redis.on("error", onError);
  return redis;
}

function whereOf(place: Exclude<RedisPlace, { kind: "cluster" }>): RedisOptions {
  switch (place.kind) {
    case "single":
      return place.at;
    case "socket":
      return { path: place.path };
    case "sentinel": {
      const { username, password } = place.sentinelAccess;
      const { tls } = place.access;
      return {
        sentinels: place.sentinels.map(copyOf),
        name: place.name,
        role: "master",
        ...(username === undefined ? {} : { sentinelUsername: username }),
        ...(password === undefined ? {} : { sentinelPassword: password }),
        ...(tls === undefined ? {} : { enableTLSForSentinelMode: true, sentinelTLS: tls }),
        sentinelRetryStrategy: reconnectMs,
      };
    }
  }
}

function reconnectMs(attempt: number): number {
  return Math.min(50 * attempt, RECONNECT_MS_MAX);
}

/** The client writes into what it is given. */
function copyOf<Value extends object>(value: Value): Value {
  return { ...value };
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

function unreachable(url: string, error: unknown, wasLetIn: boolean): BatonError {
  const said = error instanceof Error ? error.message : String(error);
  const message = whyUnreachable(describeUrl(url), said, wasLetIn);
  dropCommand(error);
  return new BatonError("redis_unreachable", message, { cause: error, retry: "backoff" });
}

function whyUnreachable(place: string, said: string, wasLetIn: boolean): string {
  if (/WRONGPASS|NOAUTH|NOPERM|invalid password|without any password/i.test(said)) {
    return `the Redis at ${place} does not take the user or password that it is given: check those in BATON_REDIS_URL`;
  }
  if (/MISCONF/.test(said)) {
    return `the Redis at ${place} cannot write to its disk, and takes nothing until it can: make room there, and it goes on by itself`;
  }
  const advice = wasLetIn ? adviceOnClosing(said) : undefined;
  if (advice !== undefined) return `what listens at ${place} closes each connection: ${advice}`;
  return `no Redis answers at ${place}: start one, or set BATON_REDIS_URL to where it is`;
}

/**
 * What to do about a server that takes connections and closes them; undefined when `said` tells something else. A Redis in
 * protected mode says what it is, and whoever speaks first does not hear it.
 */
export function adviceOnClosing(said: string): string | undefined {
  if (!/closed|ECONNRESET|EPIPE|DENIED/.test(said)) return undefined;
  return "write rediss:// if it wants TLS; if it is a Redis in protected mode, give it a password, and write that into the URL";
}
