/** Which client does which job: a function of the seed. The jobs are those of test/chaos, which the simulated models know. */
import { callerAsksOf, type Job, jobOf } from "../chaos/jobs.ts";
import { numberOf, shuffled } from "../chaos/random.ts";
import { type Bound, KINDS, type Kind, type Planned } from "./stories.ts";

export interface Task {
  readonly kind: Kind;
  /** The first of its jobs; of a batch none. */
  readonly job: Job;
  /** The jobs of a batch's lines, or all of a key that bounds how many runs there are; of another kind none. */
  readonly lines: readonly Job[];
  /** The jobs of a conversation, each of which goes on from the answer of the one before; of another kind none. */
  readonly links: readonly Job[];
  /** Of the key that it is done with; most are done with one that has none. */
  readonly bound: Bound | undefined;
}

const LINES: Partial<Record<Kind, number>> = { batch: 6, crowded: 5, budgeted: 4 };
const LINES_MAX = 6;
const LINKS_MAX = 3;
/** Numbers from here on are those of links behind the first; from the other on those of lines. */
const FIRST_LINK = 20_000;
const FIRST_LINE = 50_000;

/** Each kind once, in an order of its own, before any comes again. */
export function taskOf(seed: number, index: number): Task {
  const round = Math.floor(index / KINDS.length);
  const kind = shuffled(KINDS, seed, "kinds", round)[index % KINDS.length] ?? "chat";
  const job = jobOf(seed, index);
  const lines = Array.from({ length: LINES[kind] ?? 0 }, (_, place) =>
    jobOf(seed, FIRST_LINE + index * LINES_MAX + place),
  );
  const links = Array.from({ length: linksOf(kind, job.mark) }, (_, place) =>
    place === 0 ? job : jobOf(seed, FIRST_LINK + index * LINKS_MAX + place),
  );
  return { kind, job, lines, links, bound: boundOf(kind, job.mark) };
}

/** What is to be told of a task. */
export function plannedOf(task: Task): readonly Planned[] {
  const { kind, job, lines, links, bound } = task;
  const key = bound === undefined ? {} : { key: job.mark };
  if (kind === "batch") return lines.map(({ mark }) => ({ mark, kind, batch: batchIdOf(task) }));
  if (lines.length > 0) return lines.map(({ mark }) => ({ mark, kind, ...key }));
  if (links.length === 0) return [{ mark: job.mark, kind, ...key }];
  return links.map(({ mark }, place) => {
    const before = links[place - 1];
    return { mark, kind, ...(before === undefined ? {} : { after: before.mark }) };
  });
}

function linksOf(kind: Kind, mark: string): number {
  if (kind === "chat_tools" || kind === "responses_tools") return 1 + callerAsksOf(mark);
  return kind === "responses_chain" ? numberOf(2, LINKS_MAX, mark, "links") : 0;
}

function boundOf(kind: Kind, mark: string): Bound | undefined {
  switch (kind) {
    case "rated":
      // Used up within a second or two by who asks without a pause; the next request is four seconds away then.
      return { kind: "rpm", perMinute: 15 };
    case "crowded":
      return { kind: "max_live", runs: numberOf(1, 3, mark, "live") };
    case "budgeted":
      // A run or two.
      return { kind: "budget", tokens: numberOf(1, 6_000, mark, "tokens") };
    default:
      return undefined;
  }
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

/** What the caller's function gives for the call at `place`, in the words of the link that brings it. */
export function resultOf(mark: string, place: number): string {
  return `The caller says of ${mark}: this is part ${place}.`;
}

/** What a conversation goes on with. */
export function questionOf(mark: string): string {
  return `And what is known about ${mark}?`;
}
