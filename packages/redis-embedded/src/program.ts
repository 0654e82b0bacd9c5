/** Finds a `redis-server` or `valkey-server` that is new enough. */
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { runCommand } from "./command.ts";

const MAJOR_MIN = 7;
const NAMES = ["redis-server", "valkey-server"];

export interface ServerProgram {
  readonly file: string;
  readonly version: string;
  /** For the dynamic linker, when the libraries lie beside the program. */
  readonly libraryPath?: string;
}

export type ProgramSearch =
  | { readonly kind: "found"; readonly program: ServerProgram }
  | { readonly kind: "missing"; readonly why: string };

type Environment = Readonly<Record<string, string | undefined>>;

/** The first on `PATH` that runs and has version 7 or newer. */
export async function findProgramOnPath(
  env: Environment,
  signal: AbortSignal | undefined,
): Promise<ProgramSearch> {
  const problems: string[] = [];
  for (const name of NAMES) {
    const file = await findOnPath(name, env);
    if (file === undefined) continue;
    const checked = await checkProgram({ file }, signal);
    if (checked.kind === "found") return checked;
    problems.push(checked.why);
  }
  return { kind: "missing", why: problems.length > 0 ? problems.join("; ") : "no redis-server on PATH" };
}

/** Runs `--version`: proves that the program loads with its libraries, and that it is new enough. */
export async function checkProgram(
  candidate: Omit<ServerProgram, "version">,
  signal: AbortSignal | undefined,
): Promise<ProgramSearch> {
  const env = candidate.libraryPath === undefined ? {} : { LD_LIBRARY_PATH: candidate.libraryPath };
  const result = await runCommand(candidate.file, ["--version"], { env, withinMs: 10_000 }, signal);
  if (!result.ok) return { kind: "missing", why: `${candidate.file} does not run: ${result.why}` };
  const version = /\bv=(\d+(?:\.\d+)*)/.exec(result.stdout)?.[1];
  if (version === undefined || Number.parseInt(version, 10) < MAJOR_MIN) {
    return {
      kind: "missing",
      why: `${candidate.file} has version ${version ?? "unknown"}, not ${MAJOR_MIN}`,
    };
  }
  return { kind: "found", program: { ...candidate, version } };
}

/** The absolute path of a program on `PATH`, or undefined. */
export async function findOnPath(name: string, env: Environment): Promise<string | undefined> {
  for (const folder of (env.PATH ?? "").split(delimiter)) {
    if (folder === "") continue;
    const file = join(folder, name);
    if (await isExecutable(file)) return file;
  }
  return undefined;
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}
