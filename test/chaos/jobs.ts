/**
 * The jobs of a chaos run, each a function of the seed and its number alone: producers submit them, the simulated
 * models play them. A job is told by its mark, which stands in the run's input and so in each request of it.
 */
import { type ModelId, modelIdSchema, type RunSpecInput } from "@baton/core";
import { fractionOf, numberOf, pickOf, shuffled } from "./random.ts";

export const SERVER = "chaos";
export const TOOLS = ["lookup", "record", "store"] as const;
export type ToolName = (typeof TOOLS)[number];
/** A function of the caller's own. */
export const CALLER_TOOL = "ask_caller";

const OPENAI = ["openai/gpt-5.2", "openai/gpt-5-mini"] as const;
const ANTHROPIC = ["anthropic/claude-opus-4-5", "anthropic/claude-haiku-4-5"] as const;
export const MODELS: readonly ModelId[] = [...OPENAI, ...ANTHROPIC].map((id) => modelIdSchema.parse(id));

export interface PlannedCall {
  readonly tool: ToolName;
  /** How long the tool works, in milliseconds. */
  readonly ms: number;
}

/** What the model says at one place of the run, counted in replies. */
export type Step =
  | { readonly kind: "tools"; readonly calls: readonly PlannedCall[] }
  | { readonly kind: "transfer"; readonly to: ModelId; readonly calls: readonly PlannedCall[] }
  | { readonly kind: "text" };

/** What people do to the run from outside, so long after it was first seen at work. */
export type Act =
  | { readonly kind: "cancel"; readonly afterMs: number; readonly retried: boolean }
  | { readonly kind: "pause"; readonly afterMs: number; readonly restMs: number };

export interface Job {
  readonly index: number;
  readonly mark: string;
  readonly idempotencyKey: string;
  readonly spec: RunSpecInput;
  /** The batch in which it waits for its admission; undefined when it goes straight into the queue. */
  readonly batch: string | undefined;
  readonly steps: readonly Step[];
  readonly act: Act | undefined;
  /** The place at which the provider refuses the first request for good, so that the run fails; then it is retried. */
  readonly rejectedAt: number | undefined;
}

const MARK = /\bchaos-(\d+)-(\d{5})\b/;
const EACH_MARK = new RegExp(MARK, "g");

export function markIn(text: string): string | undefined {
  return MARK.exec(text)?.[0];
}

/** In the order in which they first stand there. A conversation that goes on from another's has that one's, too: its own is last. */
export function marksIn(text: string): readonly string[] {
  return [...new Set([...text.matchAll(EACH_MARK)].map(([mark]) => mark))];
}

/** How many requests that bring `CALLER_TOOL` end with calls of it, before there is an answer: of the conversation that begins with `mark`. */
export function callerAsksOf(mark: string): number {
  return numberOf(1, 2, mark, "asks");
}

export function jobOfMark(mark: string): Job {
  const [, seed, index] = MARK.exec(mark) ?? [];
  if (seed === undefined || index === undefined) throw new Error(`${mark} is no mark of a job`);
  return jobOf(Number(seed), Number(index));
}

export function jobOf(seed: number, index: number): Job {
  const mark = `chaos-${seed}-${String(index).padStart(5, "0")}`;
  const phases = phasesOf(mark);
  const isPipeline = phases.length > 1 && fractionOf(mark, "pipeline") < 0.25;
  const steps = phases.flatMap((model, place): Step[] => {
    const next = phases[place + 1];
    const turns = place === 0 ? numberOf(1, 3, mark, "turns") : numberOf(0, 1, mark, "turns", place);
    const work = Array.from(
      { length: turns },
      (_, turn): Step => ({ kind: "tools", calls: callsOf(mark, place, turn) }),
    );
    if (next === undefined || isPipeline) return [...work, { kind: "text" }];
    const calls = fractionOf(mark, "both", model) < 0.2 ? callsOf(mark, place, 9) : [];
    return [...work, { kind: "transfer", to: next, calls }];
  });
  const rejects = fractionOf(mark, "rejected") < 0.06;
  return {
    index,
    mark,
    idempotencyKey: `key-${mark}`,
    spec: specOf(mark, phases, isPipeline),
    batch: fractionOf(mark, "batch") < 0.5 ? `chaos-${numberOf(1, 3, mark, "which batch")}` : undefined,
    steps,
    act: actOf(mark),
    rejectedAt: rejects ? numberOf(0, steps.length - 1, mark, "rejected at") : undefined,
  };
}

/** The models in the order in which they have control: a researcher, then mostly one writer. */
function phasesOf(mark: string): readonly ModelId[] {
  const kind = fractionOf(mark, "kind");
  const [first, second, third] = shuffled(MODELS, mark, "models");
  if (first === undefined || second === undefined || third === undefined)
    throw new Error("models are missing");
  if (kind < 0.1) return [first];
  if (kind < 0.25) return [first, second, third];
  return kind < 0.35 ? [first, second, first] : [first, second];
}

function callsOf(mark: string, place: number, turn: number): readonly PlannedCall[] {
  const key = [mark, "calls", place, turn] as const;
  return Array.from({ length: numberOf(1, 3, ...key) }, (_, number) => ({
    tool: pickOf(TOOLS, ...key, number),
    ms: numberOf(10, 600, ...key, number, "ms"),
  }));
}

function specOf(mark: string, phases: readonly ModelId[], isPipeline: boolean): RunSpecInput {
  const [first, ...rest] = new Set(phases);
  const common = {
    input: `Find out what is known about ${mark}, then write it up.`,
    instructions: "Research first, then hand over to the writer.",
    mcp_servers: [SERVER],
    metadata: { mark },
    ...(fractionOf(mark, "priority") < 0.15 ? { priority: numberOf(1, 10, mark, "priority", 1) } : {}),
  };
  if (isPipeline) {
    const named = phases.map((model, place) => ({ name: `step ${place + 1}`, model }));
    return { ...common, phases: named };
  }
  const context = fractionOf(mark, "context") < 0.2 ? ("brief" as const) : ("full" as const);
  return { ...common, model: first === undefined ? [] : [first, ...rest], handoff: { context } };
}

function actOf(mark: string): Act | undefined {
  const afterMs = numberOf(200, 4_000, mark, "act", "after");
  const which = fractionOf(mark, "act");
  if (which < 0.05) return { kind: "cancel", afterMs, retried: fractionOf(mark, "act", "retried") < 0.4 };
  if (which < 0.13) return { kind: "pause", afterMs, restMs: numberOf(500, 3_000, mark, "act", "rest") };
  return undefined;
}
