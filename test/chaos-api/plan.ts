/** Which client does which job: a function of the seed. The jobs are those of test/chaos, which the simulated models know. */
import { type Job, jobOf } from "../chaos/jobs.ts";
import { shuffled } from "../chaos/random.ts";
import { KINDS, type Kind } from "./stories.ts";

export interface Task {
  readonly kind: Kind;
  readonly job: Job;
  /** The jobs of a batch's lines; of another kind none. */
  readonly lines: readonly Job[];
}

const LINES = 6;
/** Numbers from here on are those of lines. */
const FIRST_LINE = 50_000;

/** Each kind once, in an order of its own, before any comes again. */
export function taskOf(seed: number, index: number): Task {
  const round = Math.floor(index / KINDS.length);
  const kind = shuffled(KINDS, seed, "kinds", round)[index % KINDS.length] ?? "chat";
  const lines = Array.from({ length: kind === "batch" ? LINES : 0 }, (_, place) =>
    jobOf(seed, FIRST_LINE + index * LINES + place),
  );
  return { kind, job: jobOf(seed, index), lines };
}

export function batchIdOf({ job }: Task): string {
  return `batch-${job.mark}`;
}

/** The models of a job as a list, which every endpoint takes: a pipeline as those that it names. */
export function modelsOf({ spec }: Job): readonly string[] {
  const { model, phases } = spec;
  if (phases !== undefined) return [...new Set(phases.map((phase) => phase.model))];
  return [model ?? []].flat().map((one) => (typeof one === "string" ? one : one.model));
}

export function inputOf({ spec }: Job): string {
  if (typeof spec.input !== "string") throw new Error("the input of a chaos job is a text");
  return spec.input;
}
