/**
 * What can be told of a phase from its conversation alone. The log is the only state: a worker that takes a
 * phase over sees the same view as the one that was lost, and so decides the same.
 */
import {
  callsIn,
  type HandoffPart,
  type Item,
  isReply,
  type PipelinePhase,
  type RecordPart,
  type RunSpec,
  type ToolCallPart,
} from "@baton/core";

/** The last model reply of the phase, with its calls and what became of each. */
export interface OpenTurn {
  readonly reply: Item;
  readonly calls: readonly ToolCallPart[];
  readonly answered: ReadonlySet<string>;
  /** Calls whose marker was written: they may have had their effect. */
  readonly started: ReadonlySet<string>;
  /** Calls that a person approved. */
  readonly approved: ReadonlySet<string>;
  /** A person retried the run after this reply, or began another run with it. */
  readonly retried: boolean;
}

/** The last reply of phase `phase`, or undefined when the model is to speak first. */
export function openTurn(items: readonly Item[], phase: number): OpenTurn | undefined {
  const index = items.findLastIndex(isReply);
  const reply = items[index];
  if (reply === undefined || reply.phase !== phase) return undefined;
  const answered = new Set<string>();
  const started = new Set<string>();
  const approved = new Set<string>();
  const later = items.slice(index + 1);
  for (const item of later) {
    // A user speaking after the reply (an edited retry, an answer) closes the turn.
    if (item.role === "user") return undefined;
    for (const part of item.parts) {
      if (part.type === "tool_result") answered.add(part.callId);
      if (part.type === "tool_started") started.add(part.callId);
      if (part.type === "record" && part.act === "approve") for (const id of callsIn(part)) approved.add(id);
    }
  }
  const calls = reply.parts.filter((part) => part.type === "tool_call");
  return { reply, calls, answered, started, approved, retried: later.some(isRetry) };
}

/** What came since the last explicit retry of the run, or since it was forked; undefined when there was neither. */
export function sinceRetry(items: readonly Item[]): readonly Item[] | undefined {
  const index = items.findLastIndex(isRetry);
  return index < 0 ? undefined : items.slice(index);
}

/** What the run wrote itself: in a fork, what came behind the items of the other run. */
export function sinceFork(items: readonly Item[]): readonly Item[] {
  const index = items.findLastIndex((item) => recordIn(item, "fork") !== undefined);
  return index < 0 ? items : items.slice(index);
}

/**
 * Models that others took the place of: they failed for good and another one stepped in, or a person put another one
 * in their place. Nothing is handed to them any more, unless a person chooses them again.
 */
export function replacedModels(items: readonly Item[]): ReadonlySet<string> {
  const replaced = new Set<string>();
  for (const item of items) {
    for (const part of item.parts) {
      if (part.type === "handoff" && part.by === "fallback") {
        replaced.add(part.from);
        replaced.delete(part.to);
      }
      if (part.type === "record" && typeof part.detail.instead === "string") {
        replaced.add(part.detail.instead);
        replaced.delete(String(part.detail.model));
      }
    }
  }
  return replaced;
}

/** How many calls may fail in a row: what the last retry said, or undefined. */
export function attemptsOfRetry(items: readonly Item[]): number | undefined {
  const index = items.findLastIndex((item) => recordIn(item, "retry") !== undefined);
  const item = items[index];
  const attempts = item === undefined ? undefined : recordIn(item, "retry")?.detail.attempts;
  return typeof attempts === "number" ? attempts : undefined;
}

/** The replies of models, without an assistant's messages that were submitted. */
export function repliesOf(items: readonly Item[]): readonly Item[] {
  return items.filter(isReply);
}

function isRetry(item: Item): boolean {
  return recordIn(item, "retry") !== undefined || recordIn(item, "fork") !== undefined;
}

function recordIn(item: Item, act: RecordPart["act"]): RecordPart | undefined {
  for (const part of item.parts) if (part.type === "record" && part.act === act) return part;
  return undefined;
}

/** The handoffs so far, in order. */
export function handoffsOf(items: readonly Item[]): readonly HandoffPart[] {
  return items.flatMap((item) => item.parts.filter((part) => part.type === "handoff"));
}

/** What the model in control sees: all, or from the last handoff that passed on its brief alone. */
export function visibleItems(items: readonly Item[]): readonly Item[] {
  const cut = items.findLastIndex((item) =>
    item.parts.some((part) => part.type === "handoff" && part.context === "brief"),
  );
  return cut < 0 ? items : items.slice(cut);
}

/** The step of the pipeline that the run is in, and the one after it; undefined without a pipeline. */
export function pipelineStep(
  spec: RunSpec,
  items: readonly Item[],
): { readonly now: PipelinePhase; readonly next: PipelinePhase | undefined } | undefined {
  if (spec.phases === undefined) return undefined;
  const index = handoffsOf(items).filter((handoff) => handoff.by === "pipeline").length;
  const now = spec.phases[index];
  return now === undefined ? undefined : { now, next: spec.phases[index + 1] };
}

/** Model calls that were written in this phase. */
export function turnsIn(items: readonly Item[], phase: number): number {
  return repliesOf(items).filter((item) => item.phase === phase).length;
}
