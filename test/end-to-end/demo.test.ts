import { fileURLToPath } from "node:url";
import { runResultSchema } from "@baton/core";
import { TOPICS } from "@baton/demo";
import { expect, test } from "vitest";
import { startScript } from "../support/processes.ts";
import { tempFolder } from "../support/temp-folder.ts";

const DEMO = fileURLToPath(new URL("../../apps/demo/src/main.ts", import.meta.url));

test("the demo kills a worker, loses nothing, buys no written reply again, and each text is its own", async () => {
  await using folder = await tempFolder();
  await using demo = await startScript(DEMO, {
    args: ["--json"],
    cwd: folder.path,
    env: { BATON_DATA_DIR: folder.path, BATON_REDIS_URL: undefined, BATON_CONFIG: undefined },
  });
  expect(await demo.end(120_000)).toEqual({ code: 0, signal: null });
  const results = demo.stdout
    .trim()
    .split("\n")
    .map((line) => runResultSchema.parse(JSON.parse(line)));
  expect(results).toHaveLength(TOPICS.length);
  expect(TOPICS.length).toBeGreaterThanOrEqual(12);
  expect(results.map((result) => result.status)).toEqual(TOPICS.map(() => "succeeded"));
  expect(results.every((result) => result.models_used.length === 2 && result.tools_called.length >= 2)).toBe(
    true,
  );
  expect(results.some((result) => result.phases.some((phase) => phase.attempts > 1))).toBe(true);
  expect(new Set(results.map((result) => result.final_output)).size).toBe(TOPICS.length);
}, 150_000);
