import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tempFolder } from "../../../test/support/temp-folder.ts";

const AT_DOOR = new URL("./at-door.ts", import.meta.url).href;
/** To open a pipe waits for the other end, as a dead disk is waited for: a thread of the process is held. */
const HELD = `
  import { open } from "node:fs/promises";
  import { atDoor } from ${JSON.stringify(AT_DOOR)};
  void open(process.argv[1]);
  await atDoor({ host: "127.0.0.1", port: 0 }, async (_doorway, _stopping, served) => {
    served({ isHeldByDisk: true });
    return 0;
  });
`;

test.skipIf(process.platform === "win32")(
  "a process that a disk holds ends behind its command",
  async () => {
    await using folder = await tempFolder();
    const pipe = join(folder.path, "pipe");
    execFileSync("mkfifo", [pipe]);
    const held = spawn(process.execPath, ["--input-type=module", "--eval", HELD, pipe], { stdio: "pipe" });
    let said = "";
    held.stderr.on("data", (data) => {
      said += String(data);
    });
    try {
      const [code, signal] = await once(held, "exit", { signal: AbortSignal.timeout(15_000) });
      expect({ code, signal }).toEqual({ code: null, signal: "SIGTERM" });
      expect(said).toContain("does not answer");
    } finally {
      held.kill("SIGKILL");
    }
  },
  20_000,
);
