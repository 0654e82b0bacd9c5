/**
 * Lines of a page, run by one shell as they stand, one after the other: what one sets, the next ones have. Of each the
 * output is told apart, and the status of each answer that its `curl` got.
 */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

export interface ShellLine {
  readonly line: string;
  readonly code: number;
  readonly stdout: string;
  /** Of each answer, in the order in which they came. */
  readonly statuses: readonly number[];
}

/** Stands in no output of theirs. */
const MARK = "\u001e";
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
const run = promisify(execFile);

export async function runLines(
  lines: readonly string[],
  { folder, withinMs }: { readonly folder: string; readonly withinMs: number },
): Promise<readonly ShellLine[]> {
  // What curl is told to say beside its output goes to the other stream.
  await writeFile(join(folder, ".curlrc"), `write-out = "%{stderr}status=%{http_code}\\n"\n`);
  const script = lines.map((line) => `${line}\nprintf '${MARK}%s${MARK}' $?\nprintf '${MARK}' >&2\n`);
  const { stdout, stderr } = await run("sh", ["-c", script.join("")], {
    cwd: folder,
    env: { ...process.env, CURL_HOME: folder, no_proxy: "127.0.0.1" },
    timeout: withinMs,
    killSignal: "SIGKILL",
    maxBuffer: OUTPUT_BYTES_MAX,
  });
  const outputs = stdout.split(MARK);
  const errors = stderr.split(MARK);
  return lines.map((line, place) => ({
    line,
    stdout: outputs[2 * place] ?? "",
    code: Number(outputs[2 * place + 1]),
    statuses: [...(errors[place] ?? "").matchAll(/status=(\d+)/g)].map((match) => Number(match[1])),
  }));
}
