import { chmod, mkdir, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { redisTestEnv } from "../../../test/support/redis-env.ts";
import { tempFolder } from "../../../test/support/temp-folder.ts";
import { fetchDebianProgram } from "./debian-packages.ts";
import { startRedis } from "./index.ts";
import { findOnPath, type ServerProgram } from "./program.ts";

const env = redisTestEnv();
const hasApt = (await findOnPath("apt-get", env)) !== undefined;
/** What is fetched comes from a server, and this machine may have other work. */
const FETCH_MS_MAX = 120_000;
const quiet = () => undefined;

async function folder(): Promise<string> {
  const temp = await tempFolder();
  onTestFinished(() => temp[Symbol.asyncDispose]());
  return temp.path;
}

async function fetched(cacheDir: string, log: (line: string) => void = quiet): Promise<ServerProgram> {
  const search = await fetchDebianProgram({ env, cacheDir, log }, undefined);
  if (search.kind === "missing") throw new Error(search.why);
  return search.program;
}

describe.runIf(hasApt)("Redis from Debian's packages", { timeout: FETCH_MS_MAX }, () => {
  test("two that fetch at once get one whole copy, and a third start fetches nothing", async () => {
    const cacheDir = await folder();
    const lines: string[] = [];
    const log = (line: string) => lines.push(line);
    const [first, second] = await Promise.all([fetched(cacheDir, log), fetched(cacheDir, log)]);
    expect(second).toEqual(first);
    expect(await fetched(cacheDir, log)).toEqual(first);
    expect(lines).toEqual(["Fetching redis-server from the system's package sources (once) …"]);
    // The downloads and apt's own folders are gone again.
    expect((await readdir(join(cacheDir, "redis"))).filter((name) => name.startsWith("fetch-"))).toEqual([]);
  });

  test("a cached copy that does not run any more is fetched again", async () => {
    const cacheDir = await folder();
    const { file } = await fetched(cacheDir);
    await rm(file);
    expect((await fetched(cacheDir)).file).toBe(file);
  });

  test("when nothing can be downloaded, the reason is apt's and nothing stays behind", async () => {
    const cacheDir = await folder();
    const offline = { ...env, APT_CONFIG: join(cacheDir, "apt.conf") };
    await writeFile(
      offline.APT_CONFIG,
      'Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "/dev/null";\n',
    );
    const search = await fetchDebianProgram({ env: offline, cacheDir, log: quiet }, undefined);
    expect(search).toMatchObject({ kind: "missing", why: expect.stringMatching(/^apt-get: .*redis-server/) });
    expect(await readdir(join(cacheDir, "redis"))).toEqual(["fetch.lock"]);
  });

  test("a server on PATH is taken without fetching anything", async () => {
    const base = await folder();
    const { file, libraryPath } = await fetched(join(base, "fetched"));
    await mkdir(join(base, "bin"));
    const wrapper = join(base, "bin", "redis-server");
    await writeFile(wrapper, `#!/bin/sh\nLD_LIBRARY_PATH='${libraryPath}' exec '${file}' "$@"\n`);
    await chmod(wrapper, 0o755);
    // Nothing else is on this PATH, so a fetch could not even begin.
    const options = {
      dataDir: join(base, "data"),
      cacheDir: join(base, "none"),
      env: { PATH: join(base, "bin") },
    };
    await using redis = await startRedis(options);
    expect(redis.kind).toBe("started");
  });

  test("a data folder behind a symbolic link is the same folder", async () => {
    const base = await folder();
    await mkdir(join(base, "real"));
    await symlink(join(base, "real"), join(base, "link"));
    await using owner = await startRedis({ dataDir: join(base, "real"), env });
    const guest = await startRedis({ dataDir: join(base, "link"), env });
    expect(guest).toMatchObject({ kind: "attached", pid: owner.pid });
  });
});
