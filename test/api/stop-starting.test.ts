/** A signal that comes while a command starts: what it has begun does not stay behind. */
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { isAlive } from "../../packages/redis-embedded/src/process-mark.ts";
import { readRecord } from "../../packages/redis-embedded/src/record.ts";
import { openCli } from "../support/cli.ts";
import { freePort } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

test.each(["SIGTERM", "SIGINT"] as const)(
  "baton up that hears %s as it starts its Redis ends it again, in order",
  async (signal) => {
    const cli = await openCli(undefined);
    onTestFinished(() => cli[Symbol.asyncDispose]());
    const port = await freePort();
    const up = await cli.start(["up", "--json", "--port", String(port)]);
    onTestFinished(() => up[Symbol.asyncDispose]());
    const file = join(cli.folder, ".baton", "redis", "server.json");
    const record = await until(async () => existsSync(file) && (await readRecord(file)), {
      what: "the record of its Redis",
      withinMs: 60_000,
    });
    if (record.server.kind !== "process") throw new Error("its Redis is no process");
    up.signal(signal);
    expect(await up.end(60_000)).toEqual({ code: 0, signal: null });
    expect(await isAlive(record.server.process), "its Redis").toBe(false);
    const socket = connect(port, "127.0.0.1");
    await expect(once(socket, "connect"), "its port").rejects.toThrow("ECONNREFUSED");
  },
  120_000,
);
