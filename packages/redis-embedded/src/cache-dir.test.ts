import { expect, test } from "vitest";
import { defaultCacheDir } from "./cache-dir.ts";

test.each([
  [{ XDG_CACHE_HOME: "/cache", HOME: "/home/ada" }, "/cache/baton"],
  [{ XDG_CACHE_HOME: "relative", HOME: "/home/ada" }, "/home/ada/.cache/baton"],
  [{ HOME: "/home/ada" }, "/home/ada/.cache/baton"],
  [{ HOME: "", TMPDIR: "/scratch" }, "/scratch/baton-cache"],
  [{}, "/tmp/baton-cache"],
])("with %o downloads are kept in %s", (env, folder) => {
  expect(defaultCacheDir(env)).toBe(folder);
});
