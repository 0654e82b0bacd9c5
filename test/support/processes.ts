/**
 * Runs TypeScript files as real processes for tests that kill them. Each child leads a process group of its own,
 * and disposing it kills the whole group and waits until the child is gone; when the test process itself ends
 * early, its children are killed too.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { until } from "./until.ts";

const OUTPUT_CHARS_MAX = 1_000_000;

export interface ScriptOptions {
  readonly args?: readonly string[];
  /** Added to the environment of the test; `undefined` removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Options for Node itself. */
  readonly nodeArgs?: readonly string[];
}

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ScriptProcess extends AsyncDisposable {
  readonly pid: number;
  readonly ended: Promise<ProcessEnd>;
  /** What it has written so far, the last million characters of each. */
  readonly stdout: string;
  readonly stderr: string;
  /** The first whole line of stdout that matches; fails at the deadline, or when the process ends without it. */
  line(pattern: RegExp, withinMs?: number): Promise<RegExpMatchArray>;
  /** Writes to its standard input. */
  write(text: string): void;
  /** Ends its standard input. */
  closeInput(): void;
  /** Sends a signal to the process alone, not to its children. */
  signal(name: NodeJS.Signals): void;
  /** Kills it at once and resolves when it is gone. */
  kill(): Promise<void>;
  /** Its end, or an error at the deadline. */
  end(withinMs?: number): Promise<ProcessEnd>;
}

const groups = new Set<number>();
process.on("exit", () => {
  for (const group of groups) sendSignal(-group, "SIGKILL");
});

/** Starts a TypeScript file under the Node that runs the test. */
export async function startScript(file: string, options: ScriptOptions = {}): Promise<ScriptProcess> {
  const args = [...(options.nodeArgs ?? []), file, ...(options.args ?? [])];
  const child = spawn(process.execPath, args, {
    cwd: options.cwd,
    detached: true,
    env: { ...process.env, ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  await once(child, "spawn");
  const { pid } = child;
  if (pid === undefined) throw new Error(`${file} has no process id`);
  groups.add(pid);
  return observe(child, pid, file);
}

function observe(child: ChildProcess, pid: number, file: string): ScriptProcess {
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      output[name] = (output[name] + text).slice(-OUTPUT_CHARS_MAX);
    });
  }
  // A child that was killed closes its end; what was written to it no longer matters.
  child.stdin?.on("error", () => undefined);
  let end: ProcessEnd | undefined;
  // `close` comes after the last output, `exit` may come before it.
  const ended = new Promise<ProcessEnd>((resolve) => {
    child.once("close", (code: number | null, signal: NodeJS.Signals | null) => {
      end = { code, signal };
      resolve(end);
    });
  });
  const killGroup = async (): Promise<void> => {
    sendSignal(-pid, "SIGKILL");
    await ended;
    groups.delete(pid);
  };
  return {
    pid,
    ended,
    get stdout() {
      return output.stdout;
    },
    get stderr() {
      return output.stderr;
    },
    line: async (pattern, withinMs) => {
      const found = await until(() => matchLine(output.stdout, pattern) ?? end, {
        what: `a line like ${pattern} of ${file}`,
        ...(withinMs === undefined ? {} : { withinMs }),
      }).catch((error: unknown) => {
        throw new Error(describe(file, output), { cause: error });
      });
      if ("code" in found) throw new Error(`no line like ${pattern}: ${describe(file, output)}`);
      return found;
    },
    write: (text) => {
      child.stdin?.write(text);
    },
    closeInput: () => {
      child.stdin?.end();
    },
    signal: (name) => sendSignal(pid, name),
    kill: async () => {
      sendSignal(pid, "SIGKILL");
      await ended;
    },
    end: async (withinMs = 10_000) => {
      const late = new AbortController();
      const timer = delay(withinMs, undefined, { signal: late.signal }).catch(() => undefined);
      const first = await Promise.race([ended, timer]);
      late.abort();
      if (first === undefined)
        throw new Error(`still running after ${withinMs} ms: ${describe(file, output)}`);
      return first;
    },
    [Symbol.asyncDispose]: killGroup,
  };
}

/** Sends a signal to any process, or with a negative number to a group; one that is gone is no error. */
export function sendSignal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return;
    throw error;
  }
}

function matchLine(text: string, pattern: RegExp): RegExpMatchArray | undefined {
  // What follows the last line break is not a whole line yet.
  for (const line of text.split("\n").slice(0, -1)) {
    const match = line.match(pattern);
    if (match !== null) return match;
  }
  return undefined;
}

function describe(file: string, output: { readonly stdout: string; readonly stderr: string }): string {
  return `${file} wrote:\n${output.stdout.slice(-4_000)}\n--- stderr:\n${output.stderr.slice(-4_000)}`;
}
