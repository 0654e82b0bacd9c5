import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { makeFolder } from "./make-folder.ts";

async function place(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "baton-make-folder-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

test("a folder is made with those above it, for this user alone, and again is no error", async () => {
  const above = await place();
  const folder = join(above, "a", "b", "c");
  await Promise.all([makeFolder(folder), makeFolder(folder), makeFolder(join(above, "a", "d"))]);
  await makeFolder(folder);
  for (const made of [folder, join(above, "a"), join(above, "a", "d")])
    expect(((await stat(made)).mode & 0o777).toString(8)).toBe("700");
});

test("what is in the way is said", async () => {
  const file = join(await place(), "file");
  await writeFile(file, "");
  await expect(makeFolder(file)).rejects.toMatchObject({ code: "EEXIST" });
  await expect(makeFolder(join(file, "a", "b"))).rejects.toMatchObject({ code: "ENOTDIR" });
});

test.runIf(process.platform === "linux")("where no folder can ever be made, it ends", async () => {
  await expect(makeFolder("/proc/nothing/a/b")).rejects.toMatchObject({ code: "ENOENT" });
});
