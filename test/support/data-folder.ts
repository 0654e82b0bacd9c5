/** Data folders of tests, servers on them, and what is done to those. */
import { join } from "node:path";
import { Redis } from "ioredis";
import { onTestFinished } from "vitest";
import {
  type RedisHandle,
  type StartRedisOptions,
  startRedis,
} from "../../packages/redis-embedded/src/index.ts";
import { isAlive, markOf } from "../../packages/redis-embedded/src/process-mark.ts";
import { readRecord } from "../../packages/redis-embedded/src/record.ts";
import { sendSignal } from "./processes.ts";
import { redisTestEnv } from "./redis-env.ts";
import { tempFolder } from "./temp-folder.ts";
import { until } from "./until.ts";

/** A data folder whose server, whoever started it, is gone after the test. */
export async function dataFolder(...below: readonly string[]): Promise<string> {
  const folder = await tempFolder();
  const dataDir = join(folder.path, ...below, "data");
  onTestFinished(async () => {
    const record = await readRecord(join(dataDir, "redis", "server.json"));
    // A test may have written a record of its own, of a process that is not the server's.
    if (record?.server.kind === "process" && (await isAlive(record.server.process))) {
      sendSignal(record.server.process.pid, "SIGKILL");
    }
    await folder[Symbol.asyncDispose]();
  });
  return dataDir;
}

export function start(dataDir: string, more: Partial<StartRedisOptions> = {}): Promise<RedisHandle> {
  return startRedis({ dataDir, env: redisTestEnv(), ...more });
}

export async function withClient<Value>(url: string, use: (client: Redis) => Promise<Value>): Promise<Value> {
  const client = new Redis(url);
  try {
    return await use(client);
  } finally {
    client.disconnect();
  }
}

export const setKey = (url: string, key: string, value: string) =>
  withClient(url, (client) => client.set(key, value));
export const getKey = (url: string, key: string) => withClient(url, (client) => client.get(key));

/** The server has written its log to disk: what is in it now survives a kill and a cut of the tail. */
export async function synced(url: string): Promise<void> {
  await withClient(url, (client) => client.call("WAITAOF", "1", "0", "1000").catch(() => undefined));
}

export function pidOf(handle: RedisHandle): number {
  if (handle.pid === undefined) throw new Error(`a ${handle.kind} server has no pid`);
  return handle.pid;
}

export async function killServer(handle: RedisHandle): Promise<void> {
  const mark = await markOf(pidOf(handle));
  sendSignal(pidOf(handle), "SIGKILL");
  if (mark !== undefined) await until(async () => !(await isAlive(mark)), { what: "the server to be dead" });
}
