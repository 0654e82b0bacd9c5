/**
 * The measured work: runs of five phases over two pools, one reply of 1 KB a phase, 64 runs alive at once, all
 * through one worker process, with a model at the adapter interface that answers at once.
 */
import type { RunSpecInput } from "@baton/core";
import type { Cipher } from "@baton/store";
import { until } from "../support/until.ts";
import { type BenchRig, openBenchRig, POOLS, textReply } from "./bench-rig.ts";

export const PHASES = 5;
export const ALIVE = 64;
const REPLY = "x".repeat(1_024);

export interface ChainOptions {
  readonly url: string;
  readonly runs: number;
  /** Default: two. */
  readonly pools?: readonly string[];
  /** Encrypts what the runs say. */
  readonly cipher?: Cipher | undefined;
}

/** Runs the chains and tells how many phases a second went through, submission of the runs included. */
export async function batonPhasesPerSecond({
  url,
  runs,
  pools = POOLS,
  cipher,
}: ChainOptions): Promise<number> {
  /** Each run begins at another pool, so that all pools have the same work. */
  const specOf = (run: number): RunSpecInput => ({
    input: "go",
    phases: Array.from({ length: PHASES }, (_, phase) => ({
      model: pools[(run + phase) % pools.length] ?? POOLS[0],
    })),
  });
  let submitted = 0;
  const pending: Promise<unknown>[] = [];
  const submitNext = (to: BenchRig): void => {
    if (submitted >= runs) return;
    submitted += 1;
    pending.push(to.producer.submit(specOf(submitted)));
  };
  await using rig: BenchRig = await openBenchRig({
    url,
    concurrency: ALIVE,
    pools,
    cipher,
    call: (request) => {
      // The run's last phase makes room for the next run: input, then a reply and a handoff for each phase before.
      if (request.items.length === 2 * PHASES - 1) submitNext(rig);
      return textReply(request, REPLY);
    },
  });
  const started = performance.now();
  for (let index = 0; index < ALIVE; index += 1) submitNext(rig);
  await until(async () => (await rig.ledger.count("succeeded")) === runs, {
    withinMs: 300_000,
    what: "all runs to succeed",
  });
  const seconds = (performance.now() - started) / 1_000;
  await Promise.all(pending);
  return (runs * PHASES) / seconds;
}
