/** What is counted among the faults is what was done: with a real process in the place of an API. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readLines } from "../chaos/files.ts";
import { TcpProxy } from "../chaos/tcp-proxy.ts";
import { WorkerSlot } from "../chaos/worker-slot.ts";
import { until } from "../support/until.ts";
import { inject, type World } from "./inject.ts";
import type { PlannedFault } from "./schedule.ts";

let folder: string;
let proxy: TcpProxy;
let api: WorkerSlot;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "baton-inject-"));
  // Nobody listens behind it: the process waits for its Redis for as long as the test lasts.
  proxy = await TcpProxy.open("redis://127.0.0.1:1");
  const { PATH, HOME } = process.env;
  const command = { name: "api0", args: ["api", "--port", "0", "--json"], onReady: () => undefined };
  const common = { index: 0, patterns: [], concurrency: 1, onNote: () => undefined };
  api = new WorkerSlot({ ...common, command, proxy, folder, env: { PATH, HOME, BATON_DATA_DIR: folder } });
});
afterEach(async () => {
  await api.kill();
  await proxy.close();
  rmSync(folder, { recursive: true, force: true });
});

const FREEZE: PlannedFault = { atMs: 0, kind: "api_frozen", slot: 0, durationMs: 10 };

async function freeze(): Promise<void> {
  // No fault that hits an API alone looks at the rest of the world.
  await inject(FREEZE, { folder, apis: [api], signal: new AbortController().signal } as unknown as World);
}

test("a freeze counts when an API was frozen", async () => {
  const started = api.start();
  await until(() => api.pid !== undefined, { what: "the process" });
  await freeze();
  expect(readLines(folder, "faults")).toMatchObject([{ kind: "api_frozen", target: "api0" }]);
  await api.kill();
  await started;
});

test("one that is to stop is not frozen, and none is counted; nor where there is none", async () => {
  await freeze();
  const started = api.start();
  await until(() => api.pid !== undefined, { what: "the process" });
  const stopped = api.stop();
  await freeze();
  expect(readLines(folder, "faults")).toEqual([]);
  await stopped;
  await started;
});
