/**
 * The folder of one Redis and the path of its socket. The folder is private to the user. A socket path has room
 * for about a hundred bytes, so a deep folder gets its socket in a short private one, always the same for the
 * same folder: clients that reconnect find the next server there.
 */
import { createHash } from "node:crypto";
import { access, chmod, constants, lstat, mkdir, realpath, rmdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { BatonError } from "@baton/core";
import { makeFolder } from "@baton/core/make-folder";

/** `sun_path` has 104 bytes on macOS and 108 on Linux, with a closing zero. */
const SOCKET_PATH_BYTES_MAX = 103;

export interface Place {
  /** Without symbolic links, as the server reports its own. */
  readonly folder: string;
  readonly socketPath: string;
  readonly lockFile: string;
  readonly recordFile: string;
  readonly logFile: string;
}

/** Throws `invalid_config` when the data folder is none that can be used. */
export async function preparePlace(
  dataDir: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Place> {
  const folder = await privateFolder(join(resolve(dataDir), "redis"));
  const socketPath = socketPathOf(folder, env);
  await assertPrivate(dirname(socketPath));
  return {
    folder,
    socketPath,
    lockFile: join(folder, "start.lock"),
    recordFile: join(folder, "server.json"),
    logFile: join(folder, "redis.log"),
  };
}

async function privateFolder(asked: string): Promise<string> {
  try {
    await makeFolder(asked);
    const folder = await realpath(asked);
    await chmod(folder, 0o700);
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    return folder;
  } catch (error) {
    const why = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new BatonError(
      "invalid_config",
      `Redis cannot keep its data in ${asked} (${why}): set BATON_DATA_DIR to a folder that this user may write to`,
      { cause: error },
    );
  }
}

/** Makes the folder of the socket. Called under the folder's lock, as `removeSocketFolder` is. */
export async function makeSocketFolder({ socketPath }: Place): Promise<void> {
  await mkdir(dirname(socketPath), { recursive: true, mode: 0o700 });
  await assertPrivate(dirname(socketPath));
}

/** Removes it after the server's end, when it is one of its own and empty. */
export async function removeSocketFolder({ folder, socketPath }: Place): Promise<void> {
  if (dirname(socketPath) === folder) return;
  await rmdir(dirname(socketPath)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT" && error.code !== "ENOTEMPTY") throw error;
  });
}

function socketPathOf(folder: string, env: Readonly<Record<string, string | undefined>>): string {
  const own = join(folder, "redis.sock");
  if (isUsable(own)) return own;
  const name = `baton-${createHash("sha256").update(folder).digest("hex").slice(0, 16)}`;
  const short = [env.TMPDIR, "/tmp"]
    .filter((base) => base?.startsWith("/"))
    .map((base) => join(base ?? "/tmp", name))
    .find((candidate) => isUsable(join(candidate, "redis.sock")));
  if (short === undefined) {
    throw new BatonError("redis_unreachable", `the path of ${folder} is too long for a socket in it`);
  }
  return join(short, "redis.sock");
}

/** ioredis reads what follows a question mark as options. */
function isUsable(path: string): boolean {
  return Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX && !path.includes("?");
}

/** In a folder that everybody may write to, somebody else may have made ours first. Missing is fine. */
async function assertPrivate(folder: string): Promise<void> {
  const found = await lstat(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (found === undefined) return;
  if (!found.isDirectory() || found.uid !== process.getuid?.() || (found.mode & 0o077) !== 0) {
    throw new BatonError("redis_unreachable", `${folder} is not private to this user; remove it`);
  }
}
