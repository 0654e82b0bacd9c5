/** What one process does while the ledger does not answer, and when it closes. Flows of runs are in the Redis tests. */
import {
  BatonError,
  type Config,
  type ConfigInput,
  type ModelRequest,
  NO_USAGE,
  parseConfig,
} from "@baton/core";
import type { ReserveReply, Settle } from "@baton/store";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { AccountLimits } from "./account-limits.ts";
import { gpt } from "./testing/log.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const never = new AbortController().signal;
const request: ModelRequest = { model: gpt, instructions: undefined, items: [], tools: [], settings: {} };
const LIMITED = { providers: { openai: { api: "openai-responses", limits: { rpm: 5 } } } } as const;
const AT_ONCE = { providers: { openai: { api: "openai-responses", limits: { concurrent: 1 } } } } as const;

/** Limits whose ledger answers as the test says. */
function open(config: ConfigInput, reserve: (call: string | undefined) => Promise<ReserveReply>) {
  const lines: string[] = [];
  const settled: Settle[] = [];
  const settling: { held?: Promise<void> } = {};
  const cuts: string[] = [];
  let count = 0;
  const parsed: Config = parseConfig(config, "the test's configuration");
  const limits = new AccountLimits({
    ledger: {
      reserve: ({ call }) => reserve(call),
      settle: async (settle) => {
        settled.push(settle);
        await settling.held;
      },
      moveCall: async () => undefined,
      renewCalls: async () => undefined,
      learnLimits: async () => undefined,
      cutLimits: async (account) => void cuts.push(account),
    },
    config: parsed,
    settings: () => ({}),
    ids: {
      now: () => Date.now(),
      random: (size) => {
        count += 1;
        return new Uint8Array(size).fill(count);
      },
    },
    log: pino({}, { write: (line: string) => void lines.push(line) }),
    onRest: () => undefined,
  });
  return { limits, lines, settled, settling, cuts };
}

test("a ledger that does not answer stops no calls of an account without configured limits, and it is said once", async () => {
  const answer = Promise.withResolvers<ReserveReply>();
  const { limits, lines, settled } = open({}, () => answer.promise);
  const admitting = limits.admit(request, never);
  await vi.advanceTimersByTimeAsync(3_100);
  expect(await admitting).toMatchObject({ kind: "go" });
  // For a moment nobody asks again, and then waits again.
  expect(await limits.admit(request, never)).toMatchObject({ kind: "go" });
  await vi.advanceTimersByTimeAsync(3_100);
  const again = limits.admit(request, never);
  await vi.advanceTimersByTimeAsync(3_100);
  expect(await again).toMatchObject({ kind: "go" });
  expect(lines).toHaveLength(1);
  // What was booked after all is given back.
  answer.resolve({ kind: "granted", ms: 0 });
  await vi.advanceTimersByTimeAsync(0);
  expect(settled.map(({ amounts }) => amounts?.requests)).toEqual([0, 0]);
  await limits.close();
});

test.each([
  ["limits", LIMITED],
  ["calls at once", AT_ONCE],
] as const)(
  "what is configured is waited for (%s), and an abort ends the wait at once",
  async (_, config) => {
    const { limits } = open(config, () => Promise.withResolvers<ReserveReply>().promise);
    const stopping = new AbortController();
    let admission: unknown;
    const admitting = limits.admit(request, stopping.signal).then((said) => {
      admission = said;
    });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(admission).toBeUndefined();
    stopping.abort();
    await admitting;
    expect(admission).toEqual({ kind: "lost" });
  },
);

test("a pool that rests looks for room no more once the limits are closed, also when a call is settled then", async () => {
  const replies: ReserveReply[] = [{ kind: "granted", ms: 0 }];
  const { limits, settling } = open(
    AT_ONCE,
    async () =>
      replies.shift() ?? { kind: "wait", ms: 60_000, limit: { bucket: "openai", dimension: "requests" } },
  );
  const first = await limits.admit(request, never);
  expect(await limits.admit(request, never)).toMatchObject({ kind: "later" });
  expect(limits.isResting(gpt)).toBe(true);
  const held = Promise.withResolvers<void>();
  settling.held = held.promise;
  if (first.kind === "go") first.permit.settle({ ...NO_USAGE, inputTokens: 1 });
  const closing = limits.close();
  held.resolve();
  await closing;
  await vi.advanceTimersByTimeAsync(0);
  // Timers of those who waited in line run out by themselves and are not fake.
  expect(vi.getTimerCount()).toBe(0);
});

test("those who wait in line leave nothing behind, however many they are and however often they look", async () => {
  let looks = 0;
  const { limits } = open(AT_ONCE, async () => {
    looks += 1;
    return looks % 4 === 0 ? { kind: "granted", ms: 0 } : { kind: "busy" };
  });
  for (let call = 0; call < 3; call += 1) {
    const admitting = limits.admit(request, never);
    await vi.advanceTimersByTimeAsync(1_000);
    const admission = await admitting;
    expect(admission.kind).toBe("go");
    if (admission.kind === "go") admission.permit.abandon();
    await vi.advanceTimersByTimeAsync(0);
  }
  expect(looks).toBe(12);
  await limits.close();
  expect(vi.getTimerCount()).toBe(0);
});

test("one refusal without limits holds the account and cuts nothing; several within seconds cut it", async () => {
  const { limits, cuts } = open({}, async () => ({ kind: "granted", ms: 0 }));
  const refuse = async (): Promise<readonly string[]> => {
    const admission = await limits.admit(request, never);
    if (admission.kind !== "go") throw new Error("it was not admitted");
    return admission.permit.fail(new BatonError("provider_rate_limited", "too many requests"), false);
  };
  expect(await refuse()).toEqual([gpt]);
  await vi.advanceTimersByTimeAsync(6_000);
  expect(await refuse()).toEqual([gpt]);
  expect(cuts).toEqual([]);
  await vi.advanceTimersByTimeAsync(1_000);
  await refuse();
  expect(cuts).toEqual(["openai"]);
  await limits.close();
});
