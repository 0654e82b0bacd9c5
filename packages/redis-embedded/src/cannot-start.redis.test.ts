import { appendFile, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { dataFolder, pidOf, start, withClient } from "../../../test/support/data-folder.ts";
import { sendSignal } from "../../../test/support/processes.ts";
import { tempFolder } from "../../../test/support/temp-folder.ts";
import { until } from "../../../test/support/until.ts";
import { startRedis } from "./index.ts";
import { isAlive } from "./process-mark.ts";

test("a log with a command that the server does not know is an error with the server's own words", async () => {
  const dataDir = await dataFolder();
  await (await start(dataDir)).stop();
  const folder = join(dataDir, "redis", "appendonlydir");
  const log = (await readdir(folder)).find((name) => name.endsWith(".incr.aof"));
  await appendFile(join(folder, log ?? ""), "*1\r\n$4\r\nNOPE\r\n*1\r\n$4\r\nPING\r\n");
  await expect(start(dataDir)).rejects.toMatchObject({
    code: "redis_unfit",
    message: expect.stringMatching(/cannot load the data in .+redis\.log says: .*Unknown command 'NOPE'/),
  });
});

test("a server that hangs keeps its folder: an error names it, and no second one is started", async () => {
  const dataDir = await dataFolder();
  await using owner = await start(dataDir);
  sendSignal(pidOf(owner), "SIGSTOP");
  try {
    await expect(start(dataDir, { answerWithinMs: 100 })).rejects.toMatchObject({
      code: "redis_unreachable",
      message: expect.stringContaining(
        `process ${owner.pid}) runs, but takes connections and does not answer`,
      ),
    });
  } finally {
    sendSignal(pidOf(owner), "SIGCONT");
  }
  expect(await withClient(owner.url, (client) => client.ping())).toBe("PONG");
});

test("an abort while the server starts ends it", async () => {
  const dataDir = await dataFolder();
  const abort = new AbortController();
  const attempt = start(dataDir, { signal: abort.signal });
  const file = join(dataDir, "redis", "server.json");
  // The record is written when the process exists, before it is ready.
  const record = await until(() => readFile(file, "utf8"), { what: "the record" });
  abort.abort(new Error("changed my mind"));
  const outcome = await attempt.catch((error: unknown) => error);
  if (outcome instanceof Error) {
    expect(outcome.message).toBe("changed my mind");
    expect(await isAlive(JSON.parse(record).server.process)).toBe(false);
  }
  await using redis = await start(dataDir);
  expect(redis.kind).toBe(outcome instanceof Error ? "started" : "attached");
});

test("an abort ends the attempt and leaves no server", async () => {
  const dataDir = await dataFolder();
  const abort = new AbortController();
  abort.abort(new Error("changed my mind"));
  await expect(start(dataDir, { signal: abort.signal })).rejects.toThrow("changed my mind");
  await using redis = await start(dataDir);
  expect(redis.kind).toBe("started");
});

test("without any way to a Redis the error says how to install one on each system", async () => {
  await using empty = await tempFolder();
  const env = { PATH: empty.path, HOME: empty.path };
  const error = await startRedis({ dataDir: join(empty.path, "data"), env }).catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ code: "redis_unreachable" });
  for (const system of [
    "Debian, Ubuntu",
    "Fedora",
    "Arch",
    "Alpine",
    "macOS",
    "Windows",
    "BATON_REDIS_URL",
  ]) {
    expect(String(error)).toContain(system);
  }
});
