/**
 * Runs `redis-server` as a child with durable settings, reachable over a unix socket alone.
 *
 * - The child reads its configuration from stdin and gets it only after `onSpawn` is done, which records its
 *   pid. When we die before that, stdin ends empty, and a Redis that is told `--port 0` and no socket exits by
 *   itself: there is no moment at which an unrecorded server can touch the data.
 * - It has a session of its own: Ctrl-C in a terminal reaches the application, which drains and then stops it.
 * - Its environment holds `PATH` and the library path alone.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile, rename, stat } from "node:fs/promises";
import { BatonError } from "@baton/core";
import { endedEarlyError } from "./ended-early.ts";
import { pause } from "./pause.ts";
import { makeSocketFolder, type Place } from "./place.ts";
import { isAlive, markOf, type ProcessMark } from "./process-mark.ts";
import type { ServerProgram } from "./program.ts";
import { type ReadyAnswer, waitUntilReady } from "./readiness.ts";
import { DURABLE_SETTINGS, quoteSetting } from "./settings.ts";
import type { StartContext } from "./start-context.ts";

const TERM_MS_MAX = 15_000;
const KILL_MS_MAX = 5_000;
const LOOK_EVERY_MS = 10;
const LOG_BYTES_MAX = 4 * 1024 * 1024;

export interface LaunchOptions {
  readonly program: ServerProgram;
  /** Called before the server may touch the data. */
  readonly onSpawn: (mark: ProcessMark) => Promise<void>;
}

export interface LaunchedServer {
  readonly child: ChildProcess;
  readonly mark: ProcessMark;
  readonly answer: ReadyAnswer;
}

/** Resolves when the server answers with its data loaded. When that fails, the child is gone on return. */
export async function launchServer(
  { program, onSpawn }: LaunchOptions,
  context: StartContext,
  signal: AbortSignal | undefined,
): Promise<LaunchedServer> {
  const { place } = context;
  const child = await spawnServer(program, place, context.env.PATH);
  try {
    const mark = child.pid === undefined ? undefined : await markOf(child.pid);
    if (mark === undefined) throw await endedEarly(place, child.pid);
    await onSpawn(mark);
    child.stdin?.end(configuration(place));
    const answer = await waitUntilReady(
      {
        url: place.socketPath,
        name: `process ${mark.pid}`,
        isIt: ({ pid }) => pid === mark.pid,
        isAlive: () => isAlive(mark),
      },
      context,
      signal,
    );
    if (answer === undefined) throw await endedEarly(place, mark.pid);
    return { child, mark, answer };
  } catch (error) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    throw error;
  }
}

async function spawnServer(
  program: ServerProgram,
  place: Place,
  path: string | undefined,
): Promise<ChildProcess> {
  await makeSocketFolder(place);
  await rotateLog(place.logFile);
  const log = await open(place.logFile, "a", 0o600);
  try {
    // The shell sets the umask for the child alone and then becomes the server, under the same pid.
    const child = spawn("/bin/sh", ["-c", 'umask 077; exec "$0" "$@"', program.file, "-", "--port", "0"], {
      cwd: place.folder,
      detached: true,
      env: { PATH: path, LD_LIBRARY_PATH: program.libraryPath },
      stdio: ["pipe", log.fd, log.fd],
    });
    // A server that ends early closes the pipe under us; that it ended is seen and told elsewhere.
    child.stdin?.on("error", () => undefined);
    await once(child, "spawn");
    return child;
  } catch (error) {
    throw new BatonError("redis_unreachable", `${program.file} could not be started`, { cause: error });
  } finally {
    await log.close();
  }
}

function configuration(place: Place): string {
  const lines = [
    `unixsocket ${quoteSetting(place.socketPath)}`,
    "unixsocketperm 700",
    `dir ${quoteSetting(place.folder)}`,
    ...DURABLE_SETTINGS,
  ];
  return `${lines.join("\n")}\n`;
}

/**
 * Ends the server and returns when it is gone. SIGTERM makes Redis write out and sync its append-only file and
 * exit, as SHUTDOWN does, but also works when no connection can be had. One that does not end is killed.
 */
export async function endServer(mark: ProcessMark, log: (line: string) => void): Promise<void> {
  if (await sendAndWait(mark, "SIGTERM", TERM_MS_MAX)) return;
  log(`Redis (process ${mark.pid}) did not end in ${TERM_MS_MAX / 1000} s and is killed`);
  if (await sendAndWait(mark, "SIGKILL", KILL_MS_MAX)) return;
  throw new BatonError("redis_unreachable", `the Redis process ${mark.pid} cannot be ended`, {
    fields: { pid: mark.pid },
  });
}

async function sendAndWait(
  mark: ProcessMark,
  name: "SIGTERM" | "SIGKILL",
  withinMs: number,
): Promise<boolean> {
  if (!(await isAlive(mark))) return true;
  try {
    process.kill(mark.pid, name);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return true;
    throw error;
  }
  const late = AbortSignal.timeout(withinMs);
  while (await isAlive(mark)) {
    if (late.aborted) return false;
    await pause(LOOK_EVERY_MS, undefined);
  }
  return true;
}

async function rotateLog(file: string): Promise<void> {
  const sizeBytes = await stat(file).then(
    (found) => found.size,
    () => 0,
  );
  if (sizeBytes > LOG_BYTES_MAX) await rename(file, `${file}.1`);
}

async function endedEarly({ folder, logFile }: Place, pid: number | undefined): Promise<BatonError> {
  const output = await readFile(logFile, "utf8").catch(() => "");
  return endedEarlyError({ server: "redis-server", folder, source: logFile, output, pid });
}
