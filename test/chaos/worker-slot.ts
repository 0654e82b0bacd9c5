/**
 * The place of one worker: a real `baton worker` process that comes back whenever it went, on a way to Redis of its
 * own. A process leads a group of its own and dies with the harness at the latest.
 *
 * W1. What it logs is kept, all of its lives in one file.
 * W2. A process that ends without being asked to is noted: no fault of ours may end one.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type RunId, runIdSchema } from "@baton/core";
import { z } from "zod";
import { sendSignal } from "../support/processes.ts";
import type { TcpProxy } from "./tcp-proxy.ts";

const CLI = fileURLToPath(new URL("../../apps/cli/src/main.ts", import.meta.url));
const HOOK = new URL("./worker-hook.ts", import.meta.url).href;
const RETRY_MS = 500;
const STOP_MS_MAX = 5_000;

const readySchema = z.object({ ready: z.literal(true), url: z.string().optional() });
const claimedSchema = z.object({
  msg: z.literal("claimed"),
  pid: z.int(),
  runId: runIdSchema,
  epoch: z.int(),
});

export interface WorkerSlotOptions {
  readonly index: number;
  readonly patterns: readonly string[];
  readonly concurrency: number;
  readonly proxy: TcpProxy;
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Hears of what nobody asked for. */
  readonly onNote: (note: string) => void;
  /** Another command of the command line than a worker. */
  readonly command?:
    | {
        readonly name: string;
        readonly args: readonly string[];
        /** Hears where it serves, each time that it does. */
        readonly onReady: (url: string) => void;
      }
    | undefined;
}

const alive = new Set<number>();
process.on("exit", () => {
  for (const pid of alive) sendSignal(-pid, "SIGKILL");
});

export class WorkerSlot {
  readonly name: string;
  readonly proxy: TcpProxy;
  readonly logFile: string;
  readonly #options: WorkerSlotOptions;
  #lives = 0;
  #child: ChildProcess | undefined;
  #isStopping = false;
  #isKept = false;
  #gone: Promise<void> = Promise.resolve();

  constructor(options: WorkerSlotOptions) {
    this.#options = options;
    this.name = options.command?.name ?? `w${options.index}`;
    this.proxy = options.proxy;
    this.logFile = join(options.folder, `${this.name}.log`);
  }

  /** Starts a process and resolves when it serves; tried again while it cannot, as when Redis is away. */
  async start(): Promise<void> {
    this.#isKept = true;
    while (this.#isKept && !(await this.#spawn())) await delay(RETRY_MS);
  }

  /** Resolves when the process is gone; what it started ends with its pipes. */
  async kill(): Promise<void> {
    this.#isKept = false;
    this.signal("SIGKILL");
    await this.#gone;
  }

  signal(name: NodeJS.Signals): void {
    const pid = this.#child?.pid;
    if (pid !== undefined) sendSignal(pid, name);
  }

  /** Blocks its event loop. */
  stall(ms: number): void {
    this.#child?.stdin?.write(`stall ${ms}\n`);
  }

  /** The runs that this process claimed, with the epoch of the last claim of each. */
  claims(): ReadonlyMap<RunId, number> {
    const found = new Map<RunId, number>();
    for (const line of readFileSync(this.logFile, "utf8").split("\n")) {
      if (!line.includes('"claimed"')) continue;
      const claimed = claimedSchema.safeParse(parseJson(line));
      if (claimed.success && claimed.data.pid === this.#child?.pid)
        found.set(claimed.data.runId, claimed.data.epoch);
    }
    return found;
  }

  /** Lets it drain for a moment, then kills it. Whether it ended by itself. */
  async stop(): Promise<boolean> {
    this.#isKept = false;
    this.#isStopping = true;
    this.signal("SIGCONT");
    this.signal("SIGTERM");
    let inTime = true;
    const late = setTimeout(() => {
      inTime = false;
      this.signal("SIGKILL");
    }, STOP_MS_MAX);
    await this.#gone;
    clearTimeout(late);
    this.#isStopping = false;
    return inTime;
  }

  get isStopping(): boolean {
    return this.#isStopping;
  }

  #arguments(): readonly string[] {
    const { patterns, concurrency, command } = this.#options;
    if (command !== undefined) return command.args;
    const models = patterns.flatMap((pattern) => ["-m", pattern]);
    return ["worker", ...models, "--concurrency", String(concurrency), "--drain", "1", "--json"];
  }

  /** The process that is there now, if one is. */
  get pid(): number | undefined {
    return this.#child?.exitCode === null && this.#child.signalCode === null ? this.#child.pid : undefined;
  }

  /** Whether it came to serve. */
  async #spawn(): Promise<boolean> {
    const { index, env, onNote, command } = this.#options;
    this.#lives += 1;
    const name = `${this.name}.${this.#lives}`;
    const log = openSync(this.logFile, "a");
    const child = spawn(process.execPath, ["--import", HOOK, CLI, ...this.#arguments()], {
      env: { ...env, BATON_REDIS_URL: `redis://127.0.0.1:${this.proxy.port}`, CHAOS_WORKER: String(index) },
      stdio: ["pipe", "pipe", log],
      detached: true,
    });
    closeSync(log);
    child.stdin?.on("error", () => undefined);
    const { pid } = child;
    if (pid === undefined) throw new Error(`${name} could not be started`);
    alive.add(pid);
    this.#child = child;
    const gone = Promise.withResolvers<void>();
    this.#gone = gone.promise;
    let isReady = false;
    child.once("close", (code, signal) => {
      alive.delete(pid);
      gone.resolve();
      if (!isReady || !this.#isKept) return;
      onNote(`${name} ended by itself (${signal ?? `exit code ${code}`})`);
      void this.start();
    });
    const first = await Promise.race([firstLine(child), gone.promise]);
    const ready = readySchema.safeParse(first === undefined ? undefined : parseJson(first));
    isReady = ready.success;
    if (ready.success) command?.onReady(ready.data.url ?? "");
    if (!isReady && this.#isKept) sendSignal(pid, "SIGKILL");
    return isReady;
  }
}

function firstLine(child: ChildProcess): Promise<string | undefined> {
  const { stdout } = child;
  if (stdout === null) return Promise.resolve(undefined);
  const lines = createInterface({ input: stdout });
  return new Promise((resolve) => {
    lines.once("line", resolve);
    lines.once("close", () => resolve(undefined));
  });
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    // Node's own warnings are no JSON.
    return undefined;
  }
}
