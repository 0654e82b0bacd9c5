/** The loop of a retry, with time in the test's hand. */
import type { Retry, ToolRetry } from "@baton/core";
import { expect, test } from "vitest";
import { type CallFailure, type RetryClock, retryCall, systemClock } from "./retry-call.ts";
import { NEVER } from "./testing/hosts.ts";

const failed = (effect: CallFailure["effect"], retry: Retry, message = "no"): CallFailure => ({
  kind: "failed",
  effect,
  retry,
  message,
});
const answered = { kind: "answered" } as const;

/** Answers one after the other; each try takes `tryMs`. */
function play(
  answers: readonly (CallFailure | typeof answered)[],
  { repeatable = true, budgetMs = 60_000, tryMs = 0, random = 0.5 } = {},
) {
  let now = 1_000;
  const waits: number[] = [];
  const left: number[] = [];
  const told: ToolRetry[] = [];
  const clock: RetryClock = {
    now: () => now,
    random: () => random,
    delay: async (ms) => {
      waits.push(ms);
      now += ms;
    },
  };
  const attempt = async (leftMs: number, count: number) => {
    left.push(leftMs);
    now += tryMs;
    const answer = answers[count - 1];
    if (answer === undefined) throw new Error("one try too many");
    return answer;
  };
  const onRetry = (retry: ToolRetry) => told.push(retry);
  const done = retryCall<typeof answered>({ attempt, repeatable, budgetMs, clock, onRetry }, NEVER);
  return { done, waits, left, told };
}

test("waits grow, are spread, and end after three tries with the last failure", async () => {
  const last = failed("unknown", "backoff", "the last");
  const { done, waits, told } = play([failed("unknown", "backoff"), failed("not_run", "backoff"), last]);
  expect(await done).toEqual({ answer: last, attempts: 3 });
  expect(waits).toEqual([250, 500]);
  expect(told).toEqual([
    { attempt: 1, message: "no", waitMs: 250 },
    { attempt: 2, message: "no", waitMs: 500 },
  ]);
  const early = play([failed("unknown", "backoff"), answered], { random: 0 });
  expect(await early.done).toEqual({ answer: answered, attempts: 2 });
  expect(early.waits).toEqual([125]);
});

test.each<[CallFailure["effect"], boolean, number]>([
  ["not_run", false, 2],
  ["refused", false, 1],
  ["unknown", false, 1],
  ["not_run", true, 2],
  ["refused", true, 2],
  ["unknown", true, 2],
])(
  "what failed with the effect %s, repeatable: %s, is tried %i times",
  async (effect, repeatable, attempts) => {
    const { done } = play([failed(effect, "backoff"), answered], { repeatable });
    expect((await done).attempts).toBe(attempts);
  },
);

test("what cannot go better is not tried again", async () => {
  expect((await play([failed("not_run", "never")]).done).attempts).toBe(1);
});

test("a wait that was asked for is kept, and not begun when it leads past the budget", async () => {
  const asked = failed("refused", { after: 4_000 });
  expect((await play([asked, answered], { random: 0 }).done).attempts).toBe(2);
  const kept = play([asked, answered], { random: 0.5 });
  await kept.done;
  expect(kept.waits).toEqual([4_500]);
  const past = play([asked, answered], { budgetMs: 4_000, random: 0 });
  expect(await past.done).toEqual({ answer: asked, attempts: 1 });
  expect(past.waits).toEqual([]);
});

test("all tries share the budget", async () => {
  const { done, left } = play([failed("unknown", "backoff"), failed("unknown", "backoff"), answered], {
    budgetMs: 1_000,
    tryMs: 100,
  });
  await done;
  expect(left).toEqual([1_000, 650, 50]);
  const slow = play([failed("unknown", "backoff"), answered], { budgetMs: 1_000, tryMs: 900 });
  expect((await slow.done).attempts).toBe(1);
});

test("an abort while it waits ends it at once, with the signal's reason", async () => {
  const controller = new AbortController();
  const reason = new Error("fenced");
  const start = performance.now();
  const done = retryCall(
    {
      attempt: async () => failed("not_run", { after: 50_000 }),
      repeatable: true,
      budgetMs: 90_000,
      clock: systemClock,
      onRetry: () => setImmediate(() => controller.abort(reason)),
    },
    controller.signal,
  );
  await expect(done).rejects.toBe(reason);
  expect(performance.now() - start).toBeLessThan(1_000);
});
