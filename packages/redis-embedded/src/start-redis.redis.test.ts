import { appendFile, cp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  dataFolder,
  getKey,
  killServer,
  pidOf,
  setKey,
  start,
  synced,
  withClient,
} from "../../../test/support/data-folder.ts";
import { sendSignal, startScript } from "../../../test/support/processes.ts";
import { redisTestEnv } from "../../../test/support/redis-env.ts";
import { until } from "../../../test/support/until.ts";
import { startRedis } from "./index.ts";
import { isAlive, markOf } from "./process-mark.ts";

const CHILD = fileURLToPath(new URL("../../../test/support/start-redis-child.ts", import.meta.url));

describe("a started server", () => {
  test("is durable, refuses to evict, and listens on nothing but its private socket", async () => {
    await using redis = await start(await dataFolder());
    expect(redis.kind).toBe("started");
    expect(redis.version).toMatch(/^[7-9]\.|^\d\d+\./);
    const setting = (name: string) => withClient(redis.url, (client) => client.config("GET", name));
    expect(await setting("appendonly")).toEqual(["appendonly", "yes"]);
    expect(await setting("appendfsync")).toEqual(["appendfsync", "everysec"]);
    expect(await setting("maxmemory-policy")).toEqual(["maxmemory-policy", "noeviction"]);
    expect(await setting("port")).toEqual(["port", "0"]);
    expect((await stat(redis.url)).mode & 0o077).toBe(0);
    expect((await stat(join(redis.url, ".."))).mode & 0o077).toBe(0);
  });

  test("writes files that only its user can read", async () => {
    const dataDir = await dataFolder();
    await using redis = await start(dataDir);
    await setKey(redis.url, "a", "1");
    const folder = join(dataDir, "redis", "appendonlydir");
    for (const name of await readdir(folder)) expect((await stat(join(folder, name))).mode & 0o077).toBe(0);
  });

  test("keeps its data over a stop, and is gone after it", async () => {
    const dataDir = await dataFolder();
    const first = await start(dataDir);
    const mark = await markOf(pidOf(first));
    await setKey(first.url, "a", "1");
    await Promise.all([first.stop(), first.stop()]);
    expect(mark === undefined || (await isAlive(mark))).toBe(false);
    await using second = await start(dataDir);
    expect(second.kind).toBe("started");
    expect(await getKey(second.url, "a")).toBe("1");
  });

  test.runIf(process.platform === "linux")(
    "does not get the secrets of the caller's environment",
    async () => {
      const env = { ...redisTestEnv(), OPENAI_API_KEY: "sk-secret" };
      await using redis = await start(await dataFolder(), { env });
      expect(await readFile(`/proc/${redis.pid}/environ`, "utf8")).not.toContain("sk-secret");
    },
  );

  test("is ended by its owner, too, when its folder was deleted beneath it", async () => {
    const dataDir = await dataFolder();
    const redis = await start(dataDir);
    const pid = pidOf(redis);
    const mark = await markOf(pid);
    if (mark === undefined) throw new Error("a server that has started lives");
    onTestFinished(async () => {
      if (await isAlive(mark)) sendSignal(pid, "SIGKILL");
    });
    await rm(dataDir, { recursive: true });
    await redis.stop();
    expect(await isAlive(mark)).toBe(false);
  });

  test("works in folders with odd names", async () => {
    const dataDir = await dataFolder('a "quoted" name', "with ? and ünïcode \\ and 'tick'");
    await using redis = await start(dataDir);
    await setKey(redis.url, "a", "1");
    expect(await getKey(redis.url, "a")).toBe("1");
  });

  test("has a short socket path, the same each time, when the folder's is too long", async () => {
    const dataDir = await dataFolder("x".repeat(120));
    const first = await start(dataDir);
    expect(Buffer.byteLength(first.url)).toBeLessThan(104);
    await setKey(first.url, "a", "1");
    await first.stop();
    await using second = await start(dataDir);
    expect(second.url).toBe(first.url);
    expect(await getKey(second.url, "a")).toBe("1");
  });
});

describe("a second start on the same folder", () => {
  test("attaches to the living server and does not stop it", async () => {
    const dataDir = await dataFolder();
    await using owner = await start(dataDir);
    const guest = await start(dataDir);
    expect(guest).toMatchObject({ kind: "attached", url: owner.url, pid: owner.pid, version: owner.version });
    await guest.stop();
    expect(await withClient(owner.url, (client) => client.ping())).toBe("PONG");
  });

  test("at the same instant gives one server, whichever process comes first", async () => {
    const dataDir = await dataFolder();
    const handles = await Promise.all([start(dataDir), start(dataDir), start(dataDir)]);
    expect(handles.map(({ kind }) => kind).sort()).toEqual(["attached", "attached", "started"]);
    expect(new Set(handles.map(({ pid }) => pid)).size).toBe(1);
    for (const handle of handles) await handle.stop();
  });

  test("at the same instant in several processes gives one server", async () => {
    const dataDir = await dataFolder();
    const children = await Promise.all([1, 2, 3].map(() => startScript(CHILD, { args: [dataDir] })));
    try {
      const ready = await Promise.all(children.map((child) => child.line(/^ready (\w+) (\d+) /)));
      expect(ready.map((match) => match[1]).sort()).toEqual(["attached", "attached", "started"]);
      expect(new Set(ready.map((match) => match[2])).size).toBe(1);
    } finally {
      for (const child of children) await child[Symbol.asyncDispose]();
    }
  });

  test("waits for a stop that is under way, and then starts anew", async () => {
    const dataDir = await dataFolder();
    const first = await start(dataDir);
    const [, second] = await Promise.all([first.stop(), start(dataDir)]);
    await using next = second;
    // Which of the two takes the lock first is open; the start never gets a server that is about to end.
    if (next.kind === "started") expect(await withClient(next.url, (client) => client.ping())).toBe("PONG");
    else expect(next.kind).toBe("attached");
  });

  test("finds the server also when the folder was moved meanwhile", async () => {
    const dataDir = await dataFolder();
    const moved = await dataFolder();
    await using owner = await start(dataDir);
    await rename(dataDir, moved);
    const guest = await start(moved);
    expect(guest).toMatchObject({ kind: "attached", pid: owner.pid });
    await rename(moved, dataDir);
  });

  test("a copy of the folder gets a server of its own", async () => {
    const dataDir = await dataFolder();
    const copy = await dataFolder();
    await using owner = await start(dataDir);
    await setKey(owner.url, "a", "1");
    await cp(dataDir, copy, { recursive: true, filter: (path) => !path.endsWith(".sock") });
    await using other = await start(copy);
    expect(other.kind).toBe("started");
    expect(other.pid).not.toBe(owner.pid);
    expect(await getKey(other.url, "a")).toBe("1");
  });

  test("without a record attaches to who answers, and leaves it alone", async () => {
    const dataDir = await dataFolder();
    await using owner = await start(dataDir);
    const file = join(dataDir, "redis", "server.json");
    const record = await readFile(file);
    await rm(file);
    const guest = await start(dataDir);
    expect(guest).toMatchObject({ kind: "attached", url: owner.url });
    await guest.stop();
    expect(await withClient(owner.url, (client) => client.ping())).toBe("PONG");
    await writeFile(file, record);
  });

  test("after a stop, an old handle does not end the next server", async () => {
    const dataDir = await dataFolder();
    const first = await start(dataDir);
    await killServer(first);
    await using second = await start(dataDir);
    expect(second.kind).toBe("started");
    await first.stop();
    expect(await withClient(second.url, (client) => client.ping())).toBe("PONG");
  });
});

describe("after a crash", () => {
  test("of the server, the next start finds the acknowledged data", async () => {
    const dataDir = await dataFolder();
    const lines: string[] = [];
    const first = await start(dataDir, { log: (line) => lines.push(line) });
    await setKey(first.url, "a", "1");
    await killServer(first);
    await using second = await start(dataDir);
    expect(second.pid).not.toBe(first.pid);
    expect(await getKey(second.url, "a")).toBe("1");
    await until(() => lines.some((line) => line.includes("ended by itself: SIGKILL")), {
      what: "the log line",
    });
  });

  test("that cut the log in the middle of a command, the commands before it are there", async () => {
    const dataDir = await dataFolder();
    const first = await start(dataDir);
    await setKey(first.url, "a", "1");
    await synced(first.url);
    await killServer(first);
    const folder = join(dataDir, "redis", "appendonlydir");
    const log = (await readdir(folder)).find((name) => name.endsWith(".incr.aof"));
    await appendFile(join(folder, log ?? ""), "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$100\r\nhalf a val");
    await using second = await start(dataDir);
    expect(await getKey(second.url, "a")).toBe("1");
    expect(await getKey(second.url, "b")).toBe(null);
    await setKey(second.url, "c", "3");
  });

  test("of the owner, the next start adopts the orphan, with what it holds, and may stop it", async () => {
    const dataDir = await dataFolder();
    await using child = await startScript(CHILD, { args: [dataDir] });
    const [, kind, pid, url] = await child.line(/^ready (\w+) (\d+) (.+)$/);
    expect(kind).toBe("started");
    await setKey(url ?? "", "a", "1");
    await child.kill();
    const heir = await start(dataDir);
    expect(heir).toMatchObject({ kind: "adopted", pid: Number(pid), url });
    expect(await getKey(heir.url, "a")).toBe("1");
    const guest = await start(dataDir);
    expect(guest.kind).toBe("attached");
    const mark = await markOf(Number(pid));
    await heir.stop();
    expect(mark === undefined || (await isAlive(mark))).toBe(false);
  });

  test("Ctrl-C in the terminal does not reach the server, so the application can drain first", async () => {
    const dataDir = await dataFolder();
    await using child = await startScript(CHILD, { args: [dataDir] });
    await child.line(/^ready started /);
    // What a terminal does: the signal goes to every process of the group.
    sendSignal(-child.pid, "SIGINT");
    await child.end();
    await using heir = await start(dataDir);
    expect(heir.kind).toBe("adopted");
  });

  test("of owner and server together, the next start recovers the data", async () => {
    const dataDir = await dataFolder();
    await using child = await startScript(CHILD, { args: [dataDir] });
    const [, , pid, url] = await child.line(/^ready (\w+) (\d+) (.+)$/);
    await setKey(url ?? "", "a", "1");
    await Promise.all([child.kill(), sendSignal(Number(pid), "SIGKILL")]);
    await using next = await start(dataDir);
    expect(next.kind).toBe("started");
    expect(await getKey(next.url, "a")).toBe("1");
  });

  test("of the owner at any moment of its start, there is never a second server on the folder", async () => {
    const dataDir = await dataFolder();
    for (let afterMs = 0; afterMs <= 120; afterMs += 15) {
      await using child = await startScript(CHILD, { args: [dataDir, "--kill-after", String(afterMs)] });
      await child.end();
      const redis = await start(dataDir);
      expect(["started", "adopted"]).toContain(redis.kind);
      await setKey(redis.url, `key-${afterMs}`, "1");
      await redis.stop();
    }
    await using last = await start(dataDir);
    expect(await withClient(last.url, (client) => client.dbsize())).toBe(9);
  });

  test("a record that was cut or names a dead or a foreign process does not matter", async () => {
    const dataDir = await dataFolder();
    await (await start(dataDir)).stop();
    const file = join(dataDir, "redis", "server.json");
    const foreign = { pid: process.pid, started: "another" };
    const record = (url: string) =>
      JSON.stringify({ v: 1, url, server: { kind: "process", process: foreign }, owner: foreign });
    for (const text of [
      '{"v":1,"ur',
      record(join(dataDir, "redis", "redis.sock")),
      // No socket can be there: the first is too long, and in the second a file stands for a folder.
      record(join(dataDir, "x".repeat(120), "redis.sock")),
      record(join(file, "redis.sock")),
    ]) {
      await writeFile(file, text);
      const redis = await start(dataDir);
      expect(redis.kind).toBe("started");
      await redis.stop();
    }
  });
});

test("BATON_REDIS_URL wins: nothing is started, contacted or stopped", async () => {
  const dataDir = await dataFolder();
  const redis = await startRedis({ dataDir, env: { BATON_REDIS_URL: "redis://127.0.0.1:1" } });
  expect(redis).toMatchObject({ url: "redis://127.0.0.1:1", kind: "external", pid: undefined });
  await redis.stop();
  await expect(stat(dataDir)).rejects.toMatchObject({ code: "ENOENT" });
});
