import { modelIdSchema, NO_USAGE, type RunEvent } from "@baton/core";
import { expect, test } from "vitest";
import { RESEARCH_MODEL, TOPICS, WRITING_MODEL } from "../index.ts";
import { advance, firstView, loseWorker, type RunView } from "./run-view.ts";

const [topic] = TOPICS;
if (topic === undefined) throw new Error("there is no topic");
const first = firstView(topic, RESEARCH_MODEL);
const researcher = modelIdSchema.parse(RESEARCH_MODEL);
const writer = modelIdSchema.parse(WRITING_MODEL);
const at = { epoch: 2, phase: 0 };

const begins: RunEvent = { type: "phase", ...at, model: researcher, attempt: 1, takeover: false };
const turn: RunEvent = {
  type: "turn",
  ...at,
  model: researcher,
  item: 1,
  stopReason: "end",
  usage: NO_USAGE,
};
const calls: RunEvent = {
  type: "tool_start",
  ...at,
  callId: "c",
  name: "search_documents",
  arguments: '{"query":"tidal \\u001b[2J power","limit":5}',
};
const handsOver: RunEvent = { type: "handoff", ...at, from: researcher, to: writer, reason: "done" };

function after(
  events: readonly RunEvent[],
  worker?: string,
): { view: RunView; lines: (string | undefined)[] } {
  let view = first;
  const lines = events.map((event) => {
    const step = advance(view, event, worker);
    view = step.view;
    return step.line === undefined ? undefined : `${step.by}: ${step.line}`;
  });
  return { view, lines };
}

test("each event that a spectator cares for is worth a line, told of the model that did it", () => {
  const { view, lines } = after([begins, turn, calls, handsOver], "worker 1");
  expect(lines).toEqual([
    "openai/gpt-5.2: ▶ begins at worker 1",
    undefined,
    expect.stringMatching(/^openai\/gpt-5\.2: ⚙ search_documents "tidal .*power"$/),
    "openai/gpt-5.2: → hands over to anthropic/claude-opus-4-5 [simulated]",
  ]);
  expect(view).toMatchObject({ state: "waiting", model: WRITING_MODEL, toolCalls: 1, turns: 0 });
});

test("what a model says cannot steer the terminal", () => {
  const { lines } = after([calls]);
  expect(lines.join("")).not.toMatch(/\p{Cc}/u);
});

test("a phase that is taken over goes on from the turn behind the written ones", () => {
  const { view } = after([begins, turn, { type: "text", ...at, text: "lost" }], "worker 1");
  const lost = loseWorker(view);
  expect(lost).toMatchObject({ state: "lost", worker: undefined, incoming: 0 });
  const taken = advance(lost, { ...begins, epoch: 3, attempt: 2, takeover: true }, "worker 2");
  expect(taken.line).toBe("↻ goes on at worker 2 from turn 2");
  expect(taken.view).toMatchObject({ state: "working", epoch: 3, turns: 1, worker: "worker 2" });
});

test("a failed run shows why", () => {
  const error = { code: "max_turns", message: "too many turns" };
  const { view, lines } = after([{ type: "status", ...at, status: "failed", model: researcher, error }]);
  expect(view.state).toBe("failed");
  expect(lines).toEqual(["openai/gpt-5.2: ✗ failed: too many turns"]);
});
