/**
 * One job of a client that knows what may pass: asks until there is an answer, and writes that down. What ended without
 * one is put back to work once, where the client can ask for the same run again. Meanwhile people steer the run, by its plan.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Job } from "../../chaos/jobs.ts";
import type { Answer, Kind, Outcome } from "../stories.ts";
import { retry, steer } from "./steering.ts";
import { verdictOf } from "./verdict.ts";
import { type ClientWorld, write } from "./world.ts";

/** No client bears more than this. */
const PATIENCE_MS = 90_000;
const PAUSE_MS = 300;

export interface Asked {
  readonly outcome: Outcome;
  readonly runId?: string | undefined;
}

export interface Wish {
  readonly kind: Kind;
  readonly job: Job;
  readonly isSteered: boolean;
  readonly isRetried: boolean;
}

/** What was told in the end, whatever else `ask` gives with it. */
export async function untilAnswered<Told extends Asked>(
  { kind, job, isSteered, isRetried }: Wish,
  world: ClientWorld,
  ask: () => Promise<Told>,
): Promise<Told | Asked> {
  const at = Date.now();
  const over = new AbortController();
  const steered = isSteered ? steer(job, world, over.signal) : undefined;
  const causes = new Set<string>();
  let asks = 0;
  let told: Told | Asked | undefined;
  for (let retries = 0; told === undefined; ) {
    asks += 1;
    const asked = await ask().catch((error: unknown) => ({ outcome: verdictOf(error) }));
    if (asked.outcome.kind === "again") {
      const { why, afterMs = PAUSE_MS } = asked.outcome;
      causes.add(why);
      if (Date.now() - at <= PATIENCE_MS) await delay(afterMs);
      else told = { outcome: { kind: "gave_up", why } };
    } else if (asked.outcome.kind === "refused" && retries === 0 && isRetried && (await retry(job, world))) {
      retries += 1;
    } else {
      told = { ...asked, outcome: asked.outcome };
    }
  }
  writeAnswer(world, { kind, job, at, asks, causes, told });
  over.abort();
  await steered;
  return told;
}

export interface AnswerFacts {
  readonly kind: Kind;
  readonly job: Pick<Job, "mark">;
  readonly at: number;
  readonly asks: number;
  readonly causes?: ReadonlySet<string>;
  readonly told: Asked;
}

export function writeAnswer(world: ClientWorld, { kind, job, at, asks, causes, told }: AnswerFacts): void {
  const { runId, outcome } = told;
  const line: Answer = {
    ...{ at, endedAt: Date.now(), kind, mark: job.mark, isFork: false, asks, outcome },
    ...(runId === undefined ? {} : { runId }),
    causes: [...(causes ?? [])],
  };
  write(world, "answers", line);
}
