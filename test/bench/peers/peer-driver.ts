/**
 * The measured work, the same for each peer: runs of five phases, a reply of 1 KB a phase that is stored before the next
 * phase begins, 64 runs alive at once, all in this one process. Each line on standard input says how many runs a round
 * has; each round is answered by a line with its phases a second.
 */
import { createInterface } from "node:readline";

export const PHASES = 5;
export const ALIVE = 64;
export const REPLY_CHARS = 1_024;

/** What the model answers, at once. No two are alike, so that no store can share them. */
export function replyOf(run: string, phase: number): string {
  return `${run} ${phase} `.padEnd(REPLY_CHARS, "x");
}

/** Answers rounds until standard input ends. `runOne` resolves with the stored replies of one run. */
export async function driveRounds(runOne: (run: string) => Promise<readonly string[]>): Promise<void> {
  let started = 0;
  let round = 0;
  process.stdout.write("ready\n");
  for await (const line of createInterface({ input: process.stdin })) {
    round += 1;
    const runs = Number(line);
    const last = started + runs;
    const keepRunning = async (): Promise<void> => {
      while (started < last) {
        started += 1;
        checkReplies(await runOne(`run-${started}`));
      }
    };
    const began = performance.now();
    await Promise.all(Array.from({ length: ALIVE }, keepRunning));
    const seconds = (performance.now() - began) / 1_000;
    process.stdout.write(`round ${round}: ${(runs * PHASES) / seconds}\n`);
  }
}

function checkReplies(replies: readonly string[]): void {
  const isWhole = replies.length === PHASES && replies.every((reply) => reply.length === REPLY_CHARS);
  if (!isWhole) throw new Error(`a run ended with ${replies.length} replies, or with one that is not whole`);
}

/** An address or URL that the benchmark gave on the command line. */
export function argumentAt(index: number): string {
  const given = process.argv[2 + index];
  if (given === undefined)
    throw new Error(`argument ${index + 1} is missing: the benchmark starts this file`);
  return given;
}
