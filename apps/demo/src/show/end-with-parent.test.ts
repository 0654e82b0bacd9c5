import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";

const PRELOAD = new URL("./end-with-parent.ts", import.meta.url).href;

function startChild(script: string) {
  const child = spawn(process.execPath, ["--import", PRELOAD, "--eval", script], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return { child, exit: once(child, "exit") };
}

test("a child whose parent is gone ends at once, although it has work to do", async () => {
  const { child, exit } = startChild("setInterval(() => 0, 1e3); console.log('up')");
  await once(child.stdout, "data");
  child.stdin.destroy();
  expect(await exit).toEqual([null, "SIGKILL"]);
});

test("a child that is done ends by itself while its parent lives", async () => {
  const { exit } = startChild("process.exitCode = 7");
  expect(await exit).toEqual([7, null]);
});
