/**
 * Real Redis servers for tests. Each test file has a server of its own, since all of Baton's keys share one
 * prefix; a server starts in a few hundredths of a second. `BATON_TEST_REDIS_URL` names one to share instead.
 */
import { join } from "node:path";
import { Redis, type RedisOptions } from "ioredis";
import { afterAll, beforeAll, beforeEach } from "vitest";
import { type RedisHandle, startRedis } from "../../packages/redis-embedded/src/index.ts";
import { redisTestEnv } from "./redis-env.ts";
import { type SharedRedis, sharedRedis } from "./redis-shared.ts";
import { tempFolder } from "./temp-folder.ts";

export interface TestRedis {
  /** Of the file's server. */
  readonly url: string;
  /** Opens a connection that is closed after the last test of the file. */
  connect(options?: RedisOptions): Redis;
}

/**
 * Called once at the top of a test file (or of a `describe`): starts a private server before its tests, empties
 * it before each, stops it after the last. `url` and `connect` work in hooks and tests, not earlier.
 * Files that share a server (`redis-shared.ts`) must not run at the same time.
 */
export function useRedis(): TestRedis {
  let server: SharedRedis | undefined;
  const clients: Redis[] = [];
  const url = (): string => {
    if (server === undefined) throw new Error("useRedis() has a server only inside of hooks and tests");
    return server.url;
  };
  const connect = (options: RedisOptions = {}): Redis => {
    const client = new Redis(url(), { maxRetriesPerRequest: null, ...options });
    clients.push(client);
    return client;
  };
  beforeAll(async () => {
    server = (await sharedRedis(process.env)) ?? (await freshRedis());
  });
  beforeEach(async () => {
    const client = new Redis(url());
    await client.flushall();
    client.disconnect();
  });
  afterAll(async () => {
    for (const client of clients) client.disconnect();
    await server?.[Symbol.asyncDispose]();
  });
  return {
    get url() {
      return url();
    },
    connect,
  };
}

export interface PrivateRedis extends RedisHandle {
  readonly dataDir: string;
  readonly pid: number;
  /** Starts a server on the same data after this one was killed; it is this object's from then on. */
  restart(): Promise<RedisHandle>;
}

/** A durable server of one test, for crash tests; disposing it ends it and removes its data. */
export async function freshRedis(): Promise<PrivateRedis> {
  const folder = await tempFolder();
  const handles: RedisHandle[] = [];
  const start = async (): Promise<RedisHandle> => {
    const handle = await startRedis({ dataDir: join(folder.path, "data"), env: redisTestEnv() });
    handles.push(handle);
    return handle;
  };
  const stop = async (): Promise<void> => {
    for (const handle of handles) await handle.stop();
  };
  const handle = await start().catch(async (error: unknown) => {
    await folder[Symbol.asyncDispose]();
    throw error;
  });
  if (handle.pid === undefined) throw new Error("these tests need a redis-server process, not a container");
  return {
    url: handle.url,
    kind: handle.kind,
    version: handle.version,
    pid: handle.pid,
    dataDir: join(folder.path, "data"),
    restart: start,
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop();
      await folder[Symbol.asyncDispose]();
    },
  };
}
