/** The producer of a chaos run: a process that is started again until it has submitted all jobs. */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { type ScriptProcess, startScript } from "../support/processes.ts";
import { until } from "../support/until.ts";
import { readLines } from "./files.ts";
import { jobOf } from "./jobs.ts";

export interface ProducerSlotOptions {
  readonly url: string;
  readonly folder: string;
  readonly seed: number;
  readonly runs: number;
  /** Milliseconds between two jobs. */
  readonly gapMs: number;
}

const RETRY_MS = 500;
const STRIKE_WITHIN_MS = 20_000;
const acceptedSchema = z.object({ pid: z.int(), mark: z.string(), did: z.literal("accepted") });

export class ProducerSlot {
  readonly #options: ProducerSlotOptions;
  readonly #startedAt = Date.now();
  #process: ScriptProcess | undefined;
  #lives = 0;
  #isStopped = false;
  #done: Promise<void> = Promise.resolve();

  constructor(options: ProducerSlotOptions) {
    this.#options = options;
  }

  start(): void {
    this.#done = this.#keepAlive();
  }

  /** Resolves when one life submitted everything, also after later kills. */
  async finished(): Promise<void> {
    let done: Promise<void> | undefined;
    while (done !== this.#done) {
      done = this.#done;
      await done;
    }
  }

  /** Kills it, and its successor in the midst of its first submits; resolves when a third life has begun. */
  async strike(): Promise<void> {
    for (let blow = 0; blow < 2; blow += 1) {
      const { pid } = this.#process ?? {};
      if (blow > 0) await this.#acceptedBy(pid);
      const lives = this.#lives;
      if (this.#process === undefined) this.start();
      else await this.#process.kill();
      await until(() => this.#lives > lives && this.#process, {
        what: "the next life of the producer",
        withinMs: STRIKE_WITHIN_MS,
      });
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#process?.[Symbol.asyncDispose]();
    await this.#done;
  }

  async #acceptedBy(pid: number | undefined): Promise<void> {
    const has = (): boolean =>
      this.#process === undefined ||
      readLines(this.#options.folder, "submissions").some(
        (line) => acceptedSchema.safeParse(line).data?.pid === pid,
      );
    await until(has, { what: "a submit of the new producer", withinMs: STRIKE_WITHIN_MS });
  }

  #firstMissing(): number {
    const { folder, seed, runs } = this.#options;
    const told = new Set(
      readLines(folder, "submissions").map((line) => acceptedSchema.safeParse(line).data?.mark),
    );
    let index = 0;
    while (index < runs && told.has(jobOf(seed, index).mark)) index += 1;
    return index;
  }

  async #keepAlive(): Promise<void> {
    while (!this.#isStopped) {
      const { url, folder, seed, runs, gapMs } = this.#options;
      const from = this.#firstMissing();
      const args = Object.entries({ url, folder, seed, runs, start: this.#startedAt, gap: gapMs, from });
      const producer = await startScript(join(import.meta.dirname, "producer-process.ts"), {
        args: args.flatMap(([name, value]) => [`--${name}`, String(value)]),
      });
      this.#process = producer;
      this.#lives += 1;
      const { code, signal } = await producer.ended;
      this.#process = undefined;
      if (code === 0) return;
      // It could not reach Redis, or it was killed.
      if (signal === null) await delay(RETRY_MS);
    }
  }
}
