/**
 * A fork: a new run that begins with the conversation of another one, up to a turn border, where every call has its
 * result. What is shared was paid for by the other run, which stays as it is; the fork's log records where it is from.
 */
import {
  BatonError,
  ITEM_VERSION,
  type Item,
  isReply,
  type ModelId,
  modelIdSchema,
  modelsOf,
  type NewItem,
  type Run,
  type RunSpec,
  textOf,
} from "@baton/core";
import { userItem } from "./first-items.ts";

export interface ForkOptions {
  /** The last item that is shared, by its place in the conversation; absent: all of it, up to the last turn border. */
  readonly at?: number | undefined;
  /** The model that goes on; absent: the one that held control there. */
  readonly model?: ModelId | undefined;
  /** Said to the model before it goes on, as a user's message. */
  readonly input?: string | undefined;
}

export interface Fork {
  readonly items: readonly Item[];
  /** How many of them are the other run's. */
  readonly shared: number;
  readonly pool: ModelId;
  readonly phase: number;
}

/** Throws `invalid_spec` when `at` is no turn border, or when nothing would be left to do. */
export function planFork(
  run: Run,
  spec: RunSpec,
  conversation: readonly Item[],
  options: ForkOptions,
  now: number,
): Fork {
  const borders = bordersOf(conversation);
  const at = options.at ?? borders.at(-1) ?? -1;
  if (!borders.includes(at)) throw noBorder(run, at, borders);
  const shared = conversation.slice(0, at + 1);
  const control = controlAfter(shared, spec);
  const pool = options.model ?? control.model;
  const isOther = pool !== control.model;
  if (options.input === undefined && !isOther && isFinished(shared, spec, control.phase)) {
    throw new BatonError(
      "invalid_spec",
      `item ${at} of run ${run.id} is a finished answer: give an input or another model, or fork at an earlier item (${listed(borders)})`,
      { fields: { runId: run.id, at } },
    );
  }
  const phase = control.phase + (isOther ? 1 : 0);
  const detail = { run: run.id, at, model: pool, ...(isOther ? { instead: control.model } : {}) };
  const added: NewItem[] = [{ role: "control", parts: [{ type: "record", act: "fork", detail }] }];
  if (options.input !== undefined) added.push(userItem(options.input));
  const own = added.map((item, index) => ({
    ...({ v: ITEM_VERSION, seq: shared.length + index, phase, epoch: 0, at: now } as const),
    ...item,
  }));
  // Epochs count the claims of one run; none of this one has written these items.
  return {
    items: [...shared.map((item) => ({ ...item, epoch: 0 })), ...own],
    shared: shared.length,
    pool,
    phase,
  };
}

/** Places behind which a conversation can go on elsewhere: nothing is open there. */
function bordersOf(items: readonly Item[]): readonly number[] {
  const open = new Set<string>();
  const borders: number[] = [];
  for (const [place, item] of items.entries()) {
    for (const part of item.parts) {
      if (part.type === "tool_call") open.add(part.callId);
      if (part.type === "tool_result") open.delete(part.callId);
    }
    // Behind a user's message no model answers an earlier call any more.
    if (item.role === "user") open.clear();
    if (open.size === 0) borders.push(place);
  }
  return borders;
}

/** Who holds control behind these items, and in which phase. */
function controlAfter(
  items: readonly Item[],
  spec: RunSpec,
): { readonly model: ModelId; readonly phase: number } {
  let control = { model: modelsOf(spec)[0].model, phase: items[0]?.phase ?? 0 };
  for (const item of items) {
    control = { ...control, phase: Math.max(control.phase, item.phase) };
    if (isReply(item) && item.origin !== undefined) control = { ...control, model: item.origin.model };
    for (const part of item.parts) {
      if (part.type === "handoff") control = { model: part.to, phase: item.phase + 1 };
      // A person gave control to another model: a retry stands in the phase before that, a fork in the one it begins.
      if (part.type !== "record" || (part.act !== "retry" && part.act !== "fork")) continue;
      const named = modelIdSchema.safeParse(part.detail.model);
      if (!named.success) continue;
      const begun = part.act === "retry" && named.data !== control.model ? 1 : 0;
      control = { model: named.data, phase: item.phase + begun };
    }
  }
  return control;
}

/** Replies that end in one of these are no answers: the model is asked again. */
const UNFINISHED: ReadonlySet<string | undefined> = new Set([
  "pause_turn",
  "refusal",
  "content_filter",
  "context_exceeded",
]);

function isFinished(items: readonly Item[], spec: RunSpec, phase: number): boolean {
  const last = items.findLast((item) => item.role !== "control");
  if (last === undefined || !isReply(last) || last.phase < phase || UNFINISHED.has(last.stopReason))
    return false;
  if (textOf(last) === "" || last.parts.some((part) => part.type === "tool_call")) return false;
  const steps = items.flatMap((item) =>
    item.parts.filter((part) => part.type === "handoff" && part.by === "pipeline"),
  );
  return spec.phases === undefined || steps.length + 1 >= spec.phases.length;
}

function noBorder(run: Run, at: number, borders: readonly number[]): BatonError {
  return new BatonError(
    "invalid_spec",
    `run ${run.id} cannot be forked at ${at}: there is no such item, or calls are open behind it. It can be at ${listed(borders)}`,
    { fields: { runId: run.id, at } },
  );
}

const LISTED_MAX = 20;

function listed(borders: readonly number[]): string {
  const shown = borders.slice(-LISTED_MAX).join(", ");
  return borders.length > LISTED_MAX ? `…, ${shown}` : shown;
}
