import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tempFolder } from "../../../test/support/temp-folder.ts";
import { findProgramOnPath } from "./program.ts";

/** A folder with a program that prints what a server prints for `--version`. */
async function program(folder: string, name: string, says: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, name);
  await writeFile(file, `#!/bin/sh\necho '${says}'\n`);
  await chmod(file, 0o755);
  return file;
}

describe("the search on PATH", () => {
  test("takes redis-server 7 and tells its version", async () => {
    await using folder = await tempFolder();
    const file = await program(
      folder.path,
      "redis-server",
      "Redis server v=7.2.5 sha=00000000:0 malloc=libc",
    );
    const search = await findProgramOnPath({ PATH: `/nowhere:${folder.path}` }, undefined);
    expect(search).toEqual({ kind: "found", program: { file, version: "7.2.5" } });
  });

  test("passes over a Redis that is too old, for a Valkey", async () => {
    await using folder = await tempFolder();
    await program(join(folder.path, "a"), "redis-server", "Redis server v=6.0.16 sha=00000000:0");
    const file = await program(
      join(folder.path, "b"),
      "valkey-server",
      "Valkey server v=8.1.1 sha=00000000:0",
    );
    const search = await findProgramOnPath({ PATH: `${folder.path}/a:${folder.path}/b` }, undefined);
    expect(search).toEqual({ kind: "found", program: { file, version: "8.1.1" } });
  });

  test.each([
    ["Redis server v=6.2.0 sha=0", /version 6\.2\.0, not 7/],
    ["what?", /version unknown/],
  ])("refuses one that says %j, and says why", async (says, why) => {
    await using folder = await tempFolder();
    await program(folder.path, "redis-server", says);
    const search = await findProgramOnPath({ PATH: folder.path }, undefined);
    expect(search).toMatchObject({ kind: "missing", why: expect.stringMatching(why) });
  });

  test("one that does not run is missing, with what it said", async () => {
    await using folder = await tempFolder();
    const file = await program(folder.path, "redis-server", "");
    await writeFile(
      file,
      "#!/bin/sh\necho 'libjemalloc.so.2: cannot open shared object file' >&2\nexit 127\n",
    );
    const search = await findProgramOnPath({ PATH: folder.path }, undefined);
    expect(search).toMatchObject({ kind: "missing", why: expect.stringContaining("libjemalloc.so.2") });
  });

  test("a folder of that name is not a program", async () => {
    await using folder = await tempFolder();
    await mkdir(join(folder.path, "redis-server"));
    const search = await findProgramOnPath({ PATH: folder.path }, undefined);
    expect(search).toEqual({ kind: "missing", why: "no redis-server on PATH" });
  });
});
