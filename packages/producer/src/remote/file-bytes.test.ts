/** A file that is read again and again, as one is whose upload breaks. */
import { EventEmitter } from "node:events";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { expect, test } from "vitest";
import { tempFolder } from "../../../../test/support/temp-folder.ts";
import { fileBytes } from "./file-bytes.ts";

test("it comes whole each time, also when it was left in the middle, and leaves nothing at the open file", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "file");
  await using handle = await open(path, "wx+");
  const text = "ü, and more\n".repeat(60_000);
  await handle.writeFile(text);
  for (let time = 0; time < 12; time += 1) {
    expect((await buffer(fileBytes(handle))).toString() === text).toBe(true);
    for await (const chunk of fileBytes(handle)) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
  }
  // More than ten of one kind are taken for a leak, which Node says on standard error.
  const emitter: unknown = handle;
  expect(emitter instanceof EventEmitter && emitter.listenerCount("close")).toBe(0);
});
