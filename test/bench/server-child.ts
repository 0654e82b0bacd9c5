/** A server of a peer as a child process: started under a temporary folder, ended and removed when it is disposed. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { until } from "../support/until.ts";

const OUTPUT_CHARS_MAX = 20_000;
const GRACE_MS = 10_000;

export interface ServerChildOptions {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Runs as this user; servers that refuse to run as root need it. */
  readonly uid?: number;
  /** Tells from its output so far, or by asking it, whether it takes work. */
  readonly isReady: (output: string) => boolean | Promise<boolean>;
}

export interface ServerChild extends AsyncDisposable {
  readonly pid: number;
}

export async function startServerChild(options: ServerChildOptions): Promise<ServerChild> {
  const { file, args, cwd, uid } = options;
  const child = spawn(file, args, {
    cwd,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  let output = "";
  const keep = (text: string): void => {
    output = (output + text).slice(-OUTPUT_CHARS_MAX);
  };
  child.stdout.setEncoding("utf8").on("data", keep);
  child.stderr.setEncoding("utf8").on("data", keep);
  await once(child, "spawn");
  // When the benchmark ends early its servers end too.
  const killNow = (): void => {
    child.kill("SIGKILL");
  };
  process.once("exit", killNow);
  const stop = async (): Promise<void> => {
    await end(child);
    process.off("exit", killNow);
  };
  const { pid } = child;
  if (pid === undefined) throw new Error(`${file} has no process id`);
  try {
    await until(async () => child.exitCode !== null || (await options.isReady(output)), {
      what: `${file} to be ready`,
      withinMs: 60_000,
    });
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
  } catch (error) {
    await stop();
    throw new Error(`${file} does not start: ${output.trim().split("\n").slice(-3).join(" / ")}`, {
      cause: error,
    });
  }
  return { pid, [Symbol.asyncDispose]: stop };
}

/** SIGINT, which ends Postgres fast and in order; SIGKILL for what does not follow. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGINT");
  const timer = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
  await exited;
  clearTimeout(timer);
}
