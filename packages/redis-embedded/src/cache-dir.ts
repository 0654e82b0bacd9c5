/** Where downloads are kept between starts, shared by all data folders of a user. */
import { join } from "node:path";

/** `$XDG_CACHE_HOME/baton`, or `~/.cache/baton`; without a home, a folder under the temporary one. */
export function defaultCacheDir(env: Readonly<Record<string, string | undefined>>): string {
  // The XDG specification says that a relative path is to be ignored.
  if (env.XDG_CACHE_HOME?.startsWith("/")) return join(env.XDG_CACHE_HOME, "baton");
  const home = env.HOME ?? env.USERPROFILE;
  return home === undefined || home === ""
    ? join(env.TMPDIR ?? "/tmp", "baton-cache")
    : join(home, ".cache", "baton");
}
