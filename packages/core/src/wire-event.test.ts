import { expect, test } from "vitest";
import { type RunEvent, runEventSchema } from "./event.ts";
import { eventOfWire, wireEvent, wireEventSchema } from "./wire-event.ts";

const at = { epoch: 3, phase: 1 };
const model = "openai/gpt-5.2";
const usage = {
  inputTokens: 9,
  cachedInputTokens: 3,
  cacheWriteTokens: 1,
  outputTokens: 5,
  reasoningTokens: 2,
};
const run = {
  id: "r_0_01J9ZC7Q8H2N3K4M5P6R7S8T9V",
  status: "running",
  pausing: false,
  model,
  ticket: 3,
  epoch: 3,
  items: 1,
  turns: 0,
  handoffs: 0,
  takeovers: 0,
  createdAt: 1_700_000_000_123,
  updatedAt: 1_700_000_050_456,
  usage,
  costUsd: null,
  failures: 0,
  phases: [],
};
const item = { v: 1, seq: 0, phase: 0, epoch: 0, at: 1, role: "user", parts: [{ type: "text", text: "hi" }] };

const each = [
  {
    type: "status",
    ...at,
    status: "queued",
    model,
    reason: "backoff",
    detail: "busy",
    notBefore: 1_700_000_060_001,
    error: { code: "provider_overloaded", message: "busy" },
  },
  { type: "status", ...at, status: "succeeded", model },
  { type: "phase", ...at, model, attempt: 2, takeover: true },
  { type: "turn", ...at, model, item: 4, stopReason: "end", usage },
  { type: "text", ...at, text: "Hé\n" },
  { type: "reasoning", ...at, text: "hm" },
  { type: "tool_start", ...at, callId: "c1", name: "search", arguments: '{"q":1}' },
  { type: "tool_end", ...at, callId: "c1", name: "search", isError: true, preview: "no" },
  { type: "handoff", ...at, from: model, to: "anthropic/claude-opus-4-5", reason: "writing" },
  { type: "withdrawn", ...at, model },
  { type: "notice", ...at, code: "server_down", message: "documents does not answer" },
  { type: "snapshot", ...at, run, items: [item], partialText: "Hel" },
  { type: "snapshot", ...at, run, items: [item], partialText: "lo", partialCut: true },
].map((event): RunEvent => runEventSchema.parse(event));

test.each(each)("$type comes back from the wire as it was", (event) => {
  const sent: unknown = JSON.parse(JSON.stringify(wireEvent(event)));
  expect(eventOfWire(wireEventSchema.parse(sent))).toEqual(event);
});

test("every type of event is tested", () => {
  const types = runEventSchema.options.map((option) => option.shape.type.value);
  expect(new Set(each.map(({ type }) => type))).toEqual(new Set(types));
});

test.each(each)("$type has no name in camelCase on the wire", (event) => {
  const wire = wireEvent(event);
  const names = [...JSON.stringify(wire).matchAll(/"(\w+)":/g)].map(([, name]) => name ?? "");
  expect(names.filter((name) => /[A-Z]/.test(name))).toEqual([]);
});
