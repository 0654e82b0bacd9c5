/**
 * One worker of the demo: a real `baton worker` process. It leads a process group of its own, so Ctrl-C in the
 * terminal reaches the demo alone, which then stops its workers in order.
 *
 * W1. A worker outlives neither `stop` nor the demo itself (`end-with-parent.ts`).
 * W2. Which phases it took is read from its log, whole by the time that `ended` resolves.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { BatonError, runIdSchema } from "@baton/core";
import { z } from "zod";

const CLI = fileURLToPath(new URL("../../../cli/src/main.ts", import.meta.url));
const END_WITH_PARENT = new URL("./end-with-parent.ts", import.meta.url).href;
const DRAIN_S = 1;
const STOP_MS_MAX = 8_000;

const readySchema = z.object({ ready: z.literal(true) });
const claimedSchema = z.object({ msg: z.literal("claimed"), runId: runIdSchema, epoch: z.int() });
export type ClaimedPhase = Omit<z.infer<typeof claimedSchema>, "msg">;

export interface WorkerOptions {
  readonly name: string;
  readonly model: string;
  readonly concurrency: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logFile: string;
  /** Hears of each phase that the worker takes. */
  readonly onClaimed: (claimed: ClaimedPhase) => void;
  /** Hears when it ends although nobody asked it to. */
  readonly onLost: (error: BatonError) => void;
}

export class WorkerProcess {
  readonly name: string;
  readonly model: string;
  /** Resolves when it serves; rejects when it ends before. */
  readonly ready: Promise<void>;
  /** Resolves when it is gone and its log was read. */
  readonly ended: Promise<unknown>;
  readonly #child: ChildProcess;
  readonly #logFile: string;
  /** The last thing that it said in plain words, as it does when it cannot start. */
  #lastWords = "";
  #isReady = false;
  #isToEnd = false;

  constructor(options: WorkerOptions) {
    this.name = options.name;
    this.model = options.model;
    this.#logFile = options.logFile;
    const args = ["worker", "-m", options.model, "--concurrency", String(options.concurrency)];
    this.#child = spawn(
      process.execPath,
      ["--import", END_WITH_PARENT, CLI, ...args, "--drain", String(DRAIN_S), "--json"],
      { env: options.env, stdio: ["pipe", "pipe", "pipe"], detached: true },
    );
    // The other end is gone when the worker is; nothing is ever written.
    this.#child.stdin?.on("error", () => undefined);
    this.ended = new Promise((resolve) => this.#child.once("close", resolve));
    this.#readLog(options);
    this.ready = this.#readReady();
    // Awaited by the demo; until then a failure must not count as unhandled.
    this.ready.catch(() => undefined);
    this.#child.once("close", (code, signal) => {
      if (this.#isReady && !this.#isToEnd) options.onLost(this.#lost(signal ?? `exit code ${code}`));
    });
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new BatonError("internal", `${this.name} could not be started`);
    return this.#child.pid;
  }

  /** As a crash would: at once, with whatever it was doing. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#isToEnd = true;
    this.#child.kill("SIGKILL");
    await this.ended;
  }

  /** Lets it drain; kills it when it does not end, or has not even begun. */
  async stop(): Promise<void> {
    if (!this.#isReady) return this.kill();
    this.#isToEnd = true;
    this.#child.kill("SIGTERM");
    const late = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MS_MAX);
    await this.ended;
    clearTimeout(late);
  }

  async #readReady(): Promise<void> {
    const { stdout } = this.#child;
    if (stdout === null) throw new BatonError("internal", `${this.name} has no output`);
    const lines = createInterface({ input: stdout });
    const failed = Promise.race([
      this.ended,
      once(this.#child, "error").then(([error]) => Promise.reject(error)),
    ]);
    const first = await Promise.race([once(lines, "line"), failed.then(() => [""])]);
    if (!readySchema.safeParse(parseJson(String(first[0]))).success) {
      throw this.#lost("before it was ready");
    }
    this.#isReady = true;
  }

  /** Keeps the log in its file and tells of claims. */
  #readLog({ logFile, onClaimed }: WorkerOptions): void {
    const { stderr } = this.#child;
    if (stderr === null) return;
    const file = createWriteStream(logFile);
    // The log is a convenience: a full disk must not end the demo.
    file.on("error", () => undefined);
    this.#child.once("close", () => file.end());
    createInterface({ input: stderr }).on("line", (line) => {
      file.write(`${line}\n`);
      const entry = parseJson(line);
      if (entry === undefined) this.#lastWords = line;
      const claimed = claimedSchema.safeParse(entry);
      if (claimed.success) onClaimed({ runId: claimed.data.runId, epoch: claimed.data.epoch });
    });
  }

  #lost(how: string): BatonError {
    const words = this.#lastWords === "" ? "" : `: ${this.#lastWords}`;
    return new BatonError(
      "internal",
      `${this.name} ended by itself (${how})${words}; its log is ${this.#logFile}`,
    );
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    // Not every line of a process is JSON: warnings of Node are not.
    return undefined;
  }
}
