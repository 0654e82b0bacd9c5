import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";
import { startScript } from "../../../test/support/processes.ts";
import { tempFolder } from "../../../test/support/temp-folder.ts";
import { takeLock } from "./file-lock.ts";

const HOLDER = fileURLToPath(new URL("../../../test/support/hold-lock-child.ts", import.meta.url));
const quiet = { onWait: () => undefined };

test("the second to come waits until the first gives the lock back", async () => {
  await using folder = await tempFolder();
  const file = join(folder.path, "lock");
  const order: string[] = [];
  const first = await takeLock(file, quiet, undefined);
  const onWait = vi.fn(() => {
    order.push("first gives back");
    first[Symbol.dispose]();
  });
  using _second = await takeLock(file, { onWait }, undefined);
  order.push("second has it");
  expect(order).toEqual(["first gives back", "second has it"]);
  expect(onWait).toHaveBeenCalledTimes(1);
});

test("another process cannot take it either, until the holder is killed", async () => {
  await using folder = await tempFolder();
  const file = join(folder.path, "lock");
  await using holder = await startScript(HOLDER, { args: [file] });
  await holder.line(/^held$/);
  const abort = new AbortController();
  const onWait = () => abort.abort(new Error("it is held"));
  await expect(takeLock(file, { onWait }, abort.signal)).rejects.toThrow("it is held");
  await holder.kill();
  const waited = vi.fn();
  using _lock = await takeLock(file, { onWait: waited }, undefined);
  expect(waited).not.toHaveBeenCalled();
});

test.skipIf(process.platform === "win32")("it is taken where nothing can be written", async () => {
  await using folder = await tempFolder();
  const bounded = 'trap "" XFSZ; ulimit -f 0; exec "$0" "$@"';
  const args = ["-c", bounded, process.execPath, HOLDER, join(folder.path, "lock")];
  const holder = spawn("/bin/sh", args, { stdio: ["ignore", "pipe", "pipe"] });
  try {
    const said = await Promise.race([once(holder.stdout, "data"), once(holder.stderr, "data")]);
    expect(String(said)).toBe("held\n");
  } finally {
    holder.kill("SIGKILL");
    await once(holder, "close");
  }
});

test("a place where no lock can be made is an error at once", async () => {
  await expect(takeLock("/nowhere/at/all/lock", quiet, undefined)).rejects.toMatchObject({
    code: "redis_unreachable",
  });
});
