/**
 * One run as the spectator sees it: a pure fold of its events, and the line that each event is worth. Models of
 * the demo carry the word that they are simulated, wherever they show.
 */
import type { RunEvent } from "@baton/core";
import type { Topic } from "../index.ts";
import { counted, oneLine, shorten } from "./layout.ts";

export interface RunView {
  readonly topic: string;
  readonly state: "waiting" | "working" | "lost" | "succeeded" | "failed";
  /** The model that has it, or is to have it. */
  readonly model: string;
  /** The worker that has it, as far as that is known. */
  readonly worker: string | undefined;
  readonly epoch: number;
  readonly phase: number;
  /** Replies written in this phase, whoever had it. */
  readonly turns: number;
  readonly toolCalls: number;
  /** Characters of the reply that is coming in. */
  readonly incoming: number;
  /** What it is doing, in a few words. */
  readonly activity: string;
}

export interface Step {
  readonly view: RunView;
  /** The model that did it. */
  readonly by: string;
  /** What is worth a line of its own. */
  readonly line: string | undefined;
}

const ARGUMENT_CHARS = 60;
const REASON_CHARS = 100;

export function labelOf(model: string): string {
  return `${model} [simulated]`;
}

export function firstView(topic: Topic, model: string): RunView {
  return {
    topic: topic.id,
    state: "waiting",
    model,
    worker: undefined,
    epoch: 0,
    phase: 0,
    turns: 0,
    toolCalls: 0,
    incoming: 0,
    activity: "waits for a worker",
  };
}

/** `worker` is who made the claim that the event belongs to. */
export function advance(view: RunView, event: RunEvent, worker: string | undefined): Step {
  switch (event.type) {
    case "phase":
      return beginPhase(view, event, worker);
    case "text":
      return silent(write(view, event.text));
    case "withdrawn":
      return silent({ ...view, incoming: 0 });
    case "turn":
      return silent({ ...view, turns: view.turns + 1, incoming: 0 });
    case "tool_start":
      return told({ ...view, toolCalls: view.toolCalls + 1 }, `⚙ ${callOf(event)}`);
    case "tool_end":
      return event.isError
        ? told(view, `✗ ${event.name}: ${shorten(oneLine(event.preview), REASON_CHARS)}`)
        : silent(view);
    case "handoff":
      return handOver(view, event);
    case "notice":
      return told(view, `! ${event.code}: ${shorten(oneLine(event.message), REASON_CHARS)}`);
    case "status":
      return changeStatus(view, event);
    case "snapshot":
      return silent({ ...view, model: event.run.model, state: stateOf(event.run.status) });
    case "reasoning":
      return silent(view);
  }
}

/** The worker that had the run is dead; nobody has taken it over yet. */
export function loseWorker(view: RunView): RunView {
  const activity = `${view.worker ?? "its worker"} is dead; another will go on`;
  return { ...view, state: "lost", worker: undefined, incoming: 0, activity };
}

function beginPhase(
  view: RunView,
  event: Extract<RunEvent, { type: "phase" }>,
  worker: string | undefined,
): Step {
  const { model, phase, epoch, takeover, attempt } = event;
  const turns = phase === view.phase ? view.turns : 0;
  const next = { ...view, state: "working", model, worker, epoch, phase, turns, incoming: 0 } as const;
  const place = worker === undefined ? "" : ` at ${worker}`;
  const goesOn = takeover || attempt > 1;
  const activity = goesOn ? `↻ goes on from turn ${turns + 1}` : "▶ begins";
  const line = goesOn ? `↻ goes on${place} from turn ${turns + 1}` : `▶ begins${place}`;
  return { view: { ...next, activity }, by: model, line };
}

function handOver(view: RunView, { from, to }: Extract<RunEvent, { type: "handoff" }>): Step {
  const next = { ...view, state: "waiting", model: to, worker: undefined, turns: 0, incoming: 0 } as const;
  return {
    view: { ...next, activity: "waits for a worker" },
    by: from,
    line: `→ hands over to ${labelOf(to)}`,
  };
}

function write(view: RunView, text: string): RunView {
  const incoming = view.incoming + text.length;
  return { ...view, incoming, activity: `✎ ${counted(incoming, "character")}` };
}

function changeStatus(view: RunView, event: Extract<RunEvent, { type: "status" }>): Step {
  const { status, model, reason, error } = event;
  const next = { ...view, state: stateOf(status), model };
  switch (status) {
    case "succeeded": {
      const activity = `done, with ${counted(view.toolCalls, "tool call")}`;
      return { view: { ...next, worker: undefined, activity }, by: model, line: `✓ ${activity}` };
    }
    case "failed":
    case "cancelled":
      return told(next, `✗ ${status}: ${oneLine(error?.message ?? reason ?? "")}`);
    case "waiting":
      return told(next, `‖ waits: ${reason ?? ""}`);
    case "queued":
    case "running":
      return silent(next);
  }
}

function stateOf(status: Extract<RunEvent, { type: "status" }>["status"]): RunView["state"] {
  switch (status) {
    case "queued":
    case "waiting":
      return "waiting";
    case "running":
      return "working";
    case "succeeded":
      return "succeeded";
    case "failed":
    case "cancelled":
      return "failed";
  }
}

/** A call with its first argument: `search_documents "tidal power"`. */
function callOf({ name, arguments: text }: Extract<RunEvent, { type: "tool_start" }>): string {
  const first = /"(?:[^"\\]|\\.)*"\s*:\s*("(?:[^"\\]|\\.)*"?)/.exec(text)?.[1] ?? "";
  return shorten(oneLine(`${name} ${first}`), ARGUMENT_CHARS);
}

function told(view: RunView, line: string): Step {
  return { view: { ...view, activity: line }, by: view.model, line };
}

/** What shows in the run's own state alone. */
export function silent(view: RunView): Step {
  return { view, by: view.model, line: undefined };
}
