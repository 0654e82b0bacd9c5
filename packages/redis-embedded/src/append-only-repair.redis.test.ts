/** What a crash leaves of scripts' writes, cut at many places, given to the real server twice. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { Redis } from "ioredis";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { sendSignal } from "../../../test/support/processes.ts";
import { freshRedis } from "../../../test/support/redis.ts";
import { redisTestEnv } from "../../../test/support/redis-env.ts";
import { tempFolder } from "../../../test/support/temp-folder.ts";
import { until } from "../../../test/support/until.ts";
import { repairAppendOnlyFiles } from "./append-only-repair.ts";
import { defaultCacheDir } from "./cache-dir.ts";
import { fetchDebianProgram } from "./debian-packages.ts";
import { type RedisHandle, startRedis } from "./index.ts";
import { isAlive, markOf } from "./process-mark.ts";
import { findProgramOnPath, type ServerProgram } from "./program.ts";

const SCRIPT = "for _, key in ipairs(KEYS) do redis.call('SET', key, ARGV[1]) end";
/** A value that looks like commands. */
const VALUE = "line\r\n$3\r\nline";
const SCRIPTS = 3;

/** A data folder whose server was killed after some scripts; it is copied, never started. */
let killed: { readonly dataDir: string; readonly file: string; readonly size: number };

beforeAll(async () => {
  const redis = await freshRedis();
  const folder = await tempFolder();
  const dataDir = join(folder.path, "data");
  for (let number = 1; number <= SCRIPTS; number += 1) await runScript(redis, number);
  await kill(redis);
  await cp(appendOnlyFolder(redis.dataDir), appendOnlyFolder(dataDir), { recursive: true });
  await redis[Symbol.asyncDispose]();
  const file = await appendedFile(dataDir);
  killed = { dataDir, file, size: (await stat(join(appendOnlyFolder(dataDir), file))).size };
  return () => folder[Symbol.asyncDispose]();
});

const appendOnlyFolder = (dataDir: string): string => join(dataDir, "redis", "appendonlydir");

async function appendedFile(dataDir: string): Promise<string> {
  const names = (await readdir(appendOnlyFolder(dataDir))).filter((name) => name.endsWith(".incr.aof"));
  if (names.length !== 1) throw new Error(`Redis appends to ${names}`);
  return names[0] ?? "";
}

async function withClient<Value>(url: string, use: (client: Redis) => Promise<Value>): Promise<Value> {
  const client = new Redis(url);
  try {
    return await use(client);
  } finally {
    client.disconnect();
  }
}

const keysOf = (number: number): string[] => ["a", "b", "c"].map((name) => `${number}:${name}`);

const runScript = ({ url }: RedisHandle, number: number) =>
  withClient(url, (client) => client.eval(SCRIPT, 3, ...keysOf(number), VALUE));

const keysIn = ({ url }: RedisHandle): Promise<string[]> =>
  withClient(url, async (client) => (await client.keys("*")).sort());

async function kill({ pid }: RedisHandle): Promise<void> {
  const mark = pid === undefined ? undefined : await markOf(pid);
  if (mark === undefined) throw new Error("the server is not a living process");
  sendSignal(mark.pid, "SIGKILL");
  await until(async () => !(await isAlive(mark)), { what: "the server to be dead" });
}

/** A copy of the killed server's data that a test may damage; its server is gone after the test. */
async function copyOfKilled() {
  const folder = await tempFolder();
  const dataDir = join(folder.path, "data");
  const handles: RedisHandle[] = [];
  onTestFinished(async () => {
    for (const handle of handles) await handle.stop();
    await folder[Symbol.asyncDispose]();
  });
  await cp(killed.dataDir, dataDir, { recursive: true });
  const said: string[] = [];
  const start = async (): Promise<RedisHandle> => {
    const handle = await startRedis({ dataDir, env: redisTestEnv(), log: (line) => said.push(line) });
    handles.push(handle);
    return handle;
  };
  return { dataDir, file: join(appendOnlyFolder(dataDir), killed.file), said, start };
}

/** Cuts, starts, writes, kills, starts again: the second start is the one that runs half a script. */
async function surviveCut(lostBytes: number): Promise<readonly string[]> {
  const { file, said, start } = await copyOfKilled();
  await truncate(file, killed.size - lostBytes);
  const first = await start();
  const survived = await keysIn(first);
  await runScript(first, 9);
  await kill(first);
  expect(await keysIn(await start())).toEqual([...survived, ...keysOf(9)]);
  expect(said.filter((line) => line.includes("was cut off by a crash")).length).toBeLessThanOrEqual(1);
  return survived;
}

test("a script whose end was cut off does not come back by half at the restart after next", async () => {
  expect(await surviveCut(30)).toEqual([...keysOf(1), ...keysOf(2)]);
});

test("wherever the cut lies, each script is there whole or not at all, and the later ones go first", async () => {
  const whole = [0, 1, 2, 3].map((count) =>
    Array.from({ length: count }, (_, index) => keysOf(index + 1)).flat(),
  );
  const counts = new Set<number>();
  // Steps of 43 visit each part of a command: stars, lengths, values, line ends.
  for (let lostBytes = 0; lostBytes < killed.size; lostBytes += 43) {
    const survived = await surviveCut(lostBytes);
    expect(whole).toContainEqual(survived);
    counts.add(survived.length / 3);
  }
  expect([...counts]).toEqual([3, 2, 1, 0]);
});

test("throughout the last script, the cut is where Redis' own checker would make it, and what is left is whole to it", async () => {
  const program = await serverProgram();
  const { dataDir, file } = await copyOfKilled();
  const bytes = await readFile(file);
  const lastScriptBytes = bytes.length - bytes.lastIndexOf("*1\r\n$5\r\nMULTI");
  for (let lostBytes = 0; lostBytes <= lastScriptBytes; lostBytes += 3) {
    const size = bytes.length - lostBytes;
    await writeFile(file, bytes.subarray(0, size));
    const verdict = await runChecker(program, file);
    await repairAppendOnlyFiles(join(dataDir, "redis"), () => undefined, undefined);
    expect(verdict).toMatch(new RegExp(`ok_up_to=${(await stat(file)).size},`));
  }
});

test("files that are whole reach the server byte for byte", async () => {
  const { dataDir, file, said, start } = await copyOfKilled();
  const before = await readFile(file);
  const redis = await start();
  expect(await readFile(file)).toEqual(before);
  await redis.stop();
  expect(await readdir(appendOnlyFolder(dataDir))).toEqual(await readdir(appendOnlyFolder(killed.dataDir)));
  // How long it takes to load them is the machine's.
  expect(said.filter((line) => !line.startsWith("Redis is loading"))).toEqual([]);
});

test("damage with good commands behind it is refused, and nothing is changed", async () => {
  const { dataDir, file, start } = await copyOfKilled();
  const bytes = await readFile(file);
  bytes[Math.floor(bytes.length / 2)] = 0xff;
  bytes.write("XX", bytes.indexOf("*"));
  await writeFile(file, bytes);
  await expect(start()).rejects.toMatchObject({
    code: "redis_unfit",
    message: expect.stringContaining(`the data in ${join(dataDir, "redis")} is damaged`),
  });
  expect(await readFile(file)).toEqual(bytes);
});

test("a base file that was cut is refused, and nothing is changed", async () => {
  const { dataDir, start } = await copyOfKilled();
  const redis = await start();
  await withClient(redis.url, (client) => client.bgrewriteaof());
  const folder = appendOnlyFolder(dataDir);
  // The file is there a moment before the manifest names it, and until then the old one counts.
  const base = await until(
    async () => {
      const names = await readdir(folder);
      const manifest = names.find((name) => name.endsWith(".manifest")) ?? "";
      const named = await readFile(join(folder, manifest), "utf8");
      return names.find((name) => name.endsWith(".2.base.rdb") && named.includes(name));
    },
    { what: "the rewritten base file" },
  );
  await kill(redis);
  await truncate(join(folder, base), (await stat(join(folder, base))).size - 20);
  const contents = async () =>
    Promise.all((await readdir(folder)).sort().map((name) => readFile(join(folder, name))));
  const before = await contents();
  await expect(start()).rejects.toMatchObject({
    code: "redis_unfit",
    message: expect.stringMatching(/cannot load the data in .+redis\.log says: .*RDB/),
  });
  expect(await contents()).toEqual(before);
});

async function serverProgram(): Promise<ServerProgram> {
  const env = redisTestEnv();
  const onPath = await findProgramOnPath(env, undefined);
  const options = { env, cacheDir: defaultCacheDir(env), log: () => undefined };
  const found = onPath.kind === "found" ? onPath : await fetchDebianProgram(options, undefined);
  if (found.kind === "missing") throw new Error(found.why);
  return found.program;
}

/** The server is the checker when it is called by that name; Valkey's has another. */
async function runChecker({ file, libraryPath }: ServerProgram, path: string): Promise<string> {
  const argv0 = "redis-check-aof valkey-check-aof";
  const child = spawn(file, [path], { argv0, env: { LD_LIBRARY_PATH: libraryPath } });
  const [output] = await Promise.all([text(child.stdout), once(child, "close")]);
  return output;
}
