/** Runs one short-lived program and hands back what it said. A failure is a value, an abort is thrown. */
import { execFile } from "node:child_process";

const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;

export interface CommandOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly withinMs: number;
}

export type CommandResult =
  | { readonly ok: true; readonly stdout: string }
  /** `why` is the last that the program said, or why it could not run. */
  | { readonly ok: false; readonly why: string };

export function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions,
  signal: AbortSignal | undefined,
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    execFile(
      file,
      args,
      {
        env: { ...options.env },
        timeout: options.withinMs,
        killSignal: "SIGKILL",
        maxBuffer: OUTPUT_BYTES_MAX,
        ...(signal === undefined ? {} : { signal }),
      },
      (error, stdout, stderr) => {
        if (signal?.aborted) reject(signal.reason);
        else if (error === null) resolve({ ok: true, stdout });
        else resolve({ ok: false, why: lastLines(stderr) || lastLines(stdout) || error.message });
      },
    );
  });
}

/** The last few lines of a program's output, as one line. */
export function lastLines(output: string, count = 3): string {
  const lines = output
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  return lines.slice(-count).join(" | ").slice(-600);
}
