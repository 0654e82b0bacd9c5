/**
 * The history of each run put together, as the checks read it: its events and samples in order, without what Redis
 * lost. A loss of writes begins a new history: what was seen of the lost end is forgiven, and nothing else.
 */
import { type Item, type Phase, type Run, type RunEvent, type RunSpec, runEventSchema } from "@baton/core";
import { digestOf } from "./check-digest.ts";
import type { Act, Fault, History, LogSample, Purchase, Submission, ToolRun, Violation } from "./history.ts";

export interface TimedEvent {
  /** Milliseconds since 1970, by Redis' clock. */
  readonly at: number;
  readonly event: RunEvent;
}

/** A run of the ledger, with all that was seen of it. */
export interface RunStory {
  readonly id: string;
  readonly mark: string;
  /** Whether its mark is its own: what is booked on a mark of several runs cannot be told apart. */
  readonly isOnly: boolean;
  readonly run: Run;
  readonly spec: RunSpec;
  readonly items: readonly Item[];
  /** In the order of the stream, which is the order of the writes. */
  readonly events: readonly TimedEvent[];
  /** Whether the stream has its beginning and no gap, so that what is not in it did not happen. */
  readonly isWhole: boolean;
  readonly samples: readonly LogSample[];
  readonly purchases: readonly Purchase[];
  readonly toolRuns: readonly ToolRun[];
  readonly submissions: readonly Submission[];
  readonly acts: readonly Act[];
}

/** What was written in it was lost. */
export interface LossWindow {
  readonly from: number;
  readonly to: number;
}

export interface Story {
  readonly history: History;
  readonly runs: readonly RunStory[];
  readonly losses: readonly LossWindow[];
}

/** Stands for the first claim of a run, or for what came instead of it: nothing is told of a run before. */
const FIRST_EPOCH = 2;

export function tellStory(history: History): Story {
  const losses = history.faults.flatMap(lossOf);
  const survives = ({ at }: { readonly at: number }) => !isLost(at, losses);
  const events = Map.groupBy(history.events, ({ runId }) => runId);
  const samples = Map.groupBy(history.samples, ({ runId }) => runId);
  const purchases = Map.groupBy(history.purchases, ({ mark }) => mark);
  const toolRuns = Map.groupBy(history.toolRuns, ({ mark }) => mark);
  const submissions = Map.groupBy(history.submissions, ({ mark }) => mark);
  const acts = Map.groupBy(history.acts ?? [], ({ mark }) => mark);
  const runs = history.runs.map(({ mark, run, spec, items }): RunStory => {
    const all = inOrder(events.get(run.id) ?? []);
    return {
      id: run.id,
      mark,
      isOnly: history.runs.filter((one) => one.mark === mark).length === 1,
      run,
      spec,
      items,
      events: all.filter(survives),
      isWhole: (all[0]?.event.epoch ?? Number.POSITIVE_INFINITY) <= FIRST_EPOCH && all.every(survives),
      samples: byTime(samples.get(run.id)).filter(survives),
      purchases: byTime(purchases.get(mark)),
      toolRuns: byTime(toolRuns.get(mark)),
      submissions: byTime(submissions.get(mark)),
      acts: byTime(acts.get(mark)),
    };
  });
  return { history, runs, losses };
}

export function isLost(at: number, losses: readonly LossWindow[]): boolean {
  return losses.some(({ from, to }) => at >= from && at <= to);
}

/** A worker beats each second, and hears then which of its claims are lost; the rest is for a slow machine. */
export const BEAT_MS = 2_000;

/** A lock lasts 4 s and is renewed each second: who is away for less than this loses nothing to others. */
const TAKEOVER_MS = 3_000;

/**
 * Whether `act`, a request or a tool call that came after `writtenAt`, may be that of a worker that held the run, was
 * away (frozen, stalled, cut off) while another wrote, and came back: until its next beat it does not know. No fence
 * reaches into a provider or a tool, so what it was about to do counts as in flight at the fault.
 */
export function isAfterReturn(
  act: { readonly at: number; readonly mark: string },
  writtenAt: number,
  faults: readonly Fault[],
): boolean {
  return faults.some(
    ({ kind, at, endedAt, held }) =>
      // The dead come back as somebody else, who has to claim first.
      kind !== "worker_killed" &&
      endedAt !== undefined &&
      endedAt - at >= TAKEOVER_MS &&
      held.includes(act.mark) &&
      at <= writtenAt &&
      act.at <= endedAt + BEAT_MS,
  );
}

/** A violation of `run`. */
export function breach(
  invariant: Violation["invariant"],
  run: Pick<RunStory, "id">,
  what: string,
): Violation {
  return { invariant, runId: run.id, what };
}

/** A reply of a model, without an assistant's messages that were submitted. */
export function isReply(item: Item): boolean {
  return item.role === "assistant" && item.origin !== undefined;
}

/** Without those of the conversation that it went on from, which another run wrote. */
export function ownItems({ run, items }: Pick<RunStory, "run" | "items">): readonly Item[] {
  return items.slice(run.forkedFrom?.items ?? 0);
}

/** A run that went on from another's conversation counts on from that one's phases. */
export function firstPhaseOf({ run, items }: Pick<RunStory, "run" | "items">): number {
  return items[(run.forkedFrom?.items ?? 0) - 1]?.phase ?? 0;
}

export function phaseAt(story: Pick<RunStory, "run" | "items">, seq: number): Phase | undefined {
  return story.run.phases[seq - firstPhaseOf(story)];
}

/** Calls of the caller's own functions with which the run ended, by their ids: whoever goes on from it brings their results. */
export function callsLeftToCaller({ spec, items }: Pick<RunStory, "spec" | "items">): ReadonlySet<string> {
  const own = (spec.tools ?? []).flatMap((tool) => (typeof tool === "string" ? [] : [tool.function.name]));
  const calls = spec.client_tools === "end" ? (items.findLast(isReply)?.parts ?? []) : [];
  return new Set(
    calls.flatMap((part) => (part.type === "tool_call" && own.includes(part.name) ? [part.callId] : [])),
  );
}

export function isRetry(item: Item): boolean {
  return item.parts.some((part) => part.type === "record" && part.act === "retry");
}

/**
 * Of what was written in the very millisecond of the last write that survived, some was lost: it is left out as a whole.
 * Until Redis is back nobody can see anything else than what it was about to lose.
 */
function lossOf(fault: Fault): readonly LossWindow[] {
  if (fault.losesWrites !== true) return [];
  return [{ from: fault.survivedUntil ?? fault.at, to: fault.endedAt ?? fault.at }];
}

function byTime<Seen extends { readonly at: number }>(seen: readonly Seen[] = []): readonly Seen[] {
  return seen.toSorted((a, b) => a.at - b.at);
}

/** A reader that goes on from where it was may have read an entry twice. */
function inOrder(seen: History["events"]): readonly TimedEvent[] {
  const known = new Set<string>();
  return seen
    .flatMap(({ id, event }) => {
      const some: readonly unknown[] = Array.isArray(event) ? event : [event];
      return some.map((one, index) => ({ place: placeOf(id, index), event: one }));
    })
    .filter(({ place, event }) => {
      const key = `${place.join(" ")} ${digestOf(event)}`;
      return !known.has(key) && known.add(key);
    })
    .sort((a, b) => compare(a.place, b.place))
    .map(({ place, event }) => ({ at: place[0], event: runEventSchema.parse(event) }));
}

type Place = readonly [ms: number, sequence: number, index: number];

/** An id is `<ms>-<sequence>`, of a single event of an entry `<ms>-<sequence>.<index>`. */
function placeOf(id: string, index: number): Place {
  const match = /^(\d+)-(\d+)(?:\.(\d+))?$/.exec(id);
  if (match === null) throw new Error(`${id} is no id of a stream's entry`);
  const [, ms, sequence, own] = match;
  return [Number(ms), Number(sequence), Number(own ?? 0) + index];
}

function compare(a: Place, b: Place): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}
