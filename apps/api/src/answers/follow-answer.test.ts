import { once } from "node:events";
import {
  type Item,
  modelIdSchema,
  NO_USAGE,
  parseRunSpec,
  type Run,
  type RunEvent,
  runSchema,
} from "@baton/core";
import { expect, test } from "vitest";
import { followAnswer } from "./follow-answer.ts";

const model = modelIdSchema.parse("openai/gpt-5.2");
const spec = parseRunSpec({ input: "?", model });
const record = {
  ...{ id: `r_0_${"0".repeat(26)}`, model, ticket: 1, epoch: 1, items: 2, turns: 1, handoffs: 0 },
  ...{ takeovers: 0, createdAt: 0, updatedAt: 0, usage: NO_USAGE, phases: [] },
};
const running = runSchema.parse({ ...record, status: "running", pausing: false });
const succeeded = runSchema.parse({ ...record, status: "succeeded", endedAt: 1 });
const reply: Item = {
  ...{ v: 1, seq: 1, phase: 0, epoch: 1, at: 1, role: "assistant", stopReason: "end", usage: NO_USAGE },
  parts: [{ type: "text", text: "So it is." }],
  origin: { provider: "openai", api: "openai-responses", model },
};

function snapshot(run: Run, items: readonly Item[], partialText: string): RunEvent {
  return { type: "snapshot", epoch: 1, phase: 0, run, items: [...items], partialText };
}

type Watch = (signal: AbortSignal) => AsyncGenerator<RunEvent, void, void>;

/** `watches` are the readings of the events, one after another; `looks` what the record says at each look at it. */
async function follow(
  watches: Watch[],
  looks: (() => Run)[],
  { signal, waitMs = 60_000 }: { readonly signal: AbortSignal; readonly waitMs?: number },
) {
  let text = "";
  const runs = {
    get: async () => ({ run: (looks.length > 1 ? looks.shift() : looks[0])?.() ?? running, spec }),
    async *watch(_id: unknown, _options: unknown, cut: AbortSignal) {
      const watch = watches.shift();
      if (watch !== undefined) for await (const event of watch(cut)) yield { id: "0-0", event };
    },
    conversation: async () => [reply],
  };
  const options = { waitMs, isServed: async () => true, whole: false };
  const following = followAnswer(runs, running.id, options, signal);
  const end = async () => {
    for (;;) {
      const next = await following.next();
      if (next.done) return next.value.run.status;
      if (next.value.kind === "text") text += next.value.text;
    }
  };
  const ended = await end().catch((error: unknown) => error);
  return { ended, text };
}

test("when the API stops before the end is told, the answer is none, though the run has ended", async () => {
  const stopping = new AbortController();
  const watch: Watch = async function* () {
    yield snapshot(running, [], "So");
    stopping.abort();
  };
  const { ended, text } = await follow([watch], [() => running, () => succeeded], {
    signal: stopping.signal,
  });
  expect(text).toBe("So");
  expect(ended).toMatchObject({ status: 503, code: "shutting_down", runId: running.id, retryAfter: 1 });
});

test("when the API stops behind the end, the answer is whole", async () => {
  const stopping = new AbortController();
  const watch: Watch = async function* () {
    yield snapshot(succeeded, [reply], "");
    stopping.abort();
  };
  const told = await follow([watch], [() => succeeded], { signal: stopping.signal });
  expect(told).toEqual({ ended: "succeeded", text: "So it is." });
});

test("a reading that patience cut short is begun again when the run has ended meanwhile", async () => {
  const cut: Watch = async function* (signal) {
    yield snapshot(running, [], "So");
    await once(signal, "abort");
  };
  const whole: Watch = async function* () {
    yield snapshot(succeeded, [reply], "");
  };
  const away = (): Run => {
    throw new Error("Redis does not answer");
  };
  const told = await follow([cut, whole], [() => running, away, () => succeeded], {
    signal: new AbortController().signal,
    waitMs: 1,
  });
  expect(told).toEqual({ ended: "succeeded", text: "So it is." });
});
