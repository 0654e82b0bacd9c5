import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";

const redis = useRedis();
const CHILD = fileURLToPath(new URL("./testing/without-handles.ts", import.meta.url));

test.skipIf(process.platform === "win32")(
  "a process that has run out of file handles goes on with all scripts",
  async () => {
    const command = 'ulimit -n 128; exec "$0" "$1" "$2"';
    const args = ["-c", command, process.execPath, CHILD, redis.url];
    const { stdout } = await promisify(execFile)("/bin/sh", args);
    expect(stdout).toBe("[0]\n");
  },
);
