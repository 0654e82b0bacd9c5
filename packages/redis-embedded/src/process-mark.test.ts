import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { startScript } from "../../../test/support/processes.ts";
import { tempFolder } from "../../../test/support/temp-folder.ts";
import { isAlive, markOf } from "./process-mark.ts";

const CHILD = fileURLToPath(new URL("../../../test/support/hold-lock-child.ts", import.meta.url));

test("a mark is alive as long as its process, and another start under its pid is another process", async () => {
  await using folder = await tempFolder();
  await using child = await startScript(CHILD, { args: [`${folder.path}/lock`] });
  const mark = await markOf(child.pid);
  if (mark === undefined) throw new Error("a living process has a mark");
  expect(await isAlive(mark)).toBe(true);
  expect(await isAlive({ ...mark, started: "earlier" })).toBe(false);
  await child.kill();
  expect(await isAlive(mark)).toBe(false);
});

test("the own process has the same mark each time", async () => {
  const mark = await markOf(process.pid);
  expect(mark?.pid).toBe(process.pid);
  expect(await markOf(process.pid)).toEqual(mark);
});
