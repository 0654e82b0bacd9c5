/** Programs that the container tests call: `docker`, `docker-compose`, `debootstrap`, `npm`, `tar`. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
const ERROR_CHARS_MAX = 4_000;
const run = promisify(execFile);

export interface CommandOptions {
  readonly cwd?: string;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Default 60 s. */
  readonly withinMs?: number;
}

/** Resolves with standard output; fails with the last words of both streams. */
export async function command(
  file: string,
  args: readonly string[],
  { cwd, env, withinMs = 60_000 }: CommandOptions = {},
): Promise<string> {
  try {
    const { stdout } = await run(file, [...args], {
      cwd,
      env: { ...process.env, ...env },
      timeout: withinMs,
      killSignal: "SIGKILL",
      maxBuffer: OUTPUT_BYTES_MAX,
    });
    return stdout.trim();
  } catch (error) {
    const said = error instanceof Error && "stderr" in error && "stdout" in error ? error : undefined;
    const words = said === undefined ? "" : `${said.stdout}\n${said.stderr}`.trim().slice(-ERROR_CHARS_MAX);
    throw new Error(`${file} ${args.join(" ")} failed: ${words}`, { cause: error });
  }
}

/** Standard output, or undefined when the program is not there, failed, or took too long. */
export async function attempt(
  file: string,
  args: readonly string[],
  options?: CommandOptions,
): Promise<string | undefined> {
  return command(file, args, options).catch(() => undefined);
}
