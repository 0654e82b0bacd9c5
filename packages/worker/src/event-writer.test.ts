import { newClaimId, newRunId, type RunEvent } from "@baton/core";
import type { Claim, ClaimEvents } from "@baton/store";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { EventWriter } from "./event-writer.ts";
import { gpt } from "./testing/log.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

let count = 0;
function claimOf(shard = 0): Claim {
  count += 1;
  // The count in base 64, so that no two claims are alike.
  const random = (size: number) =>
    Uint8Array.from({ length: size }, (_, place) => Math.floor(count / 64 ** place));
  const source = { now: () => count, random };
  return { runId: newRunId(shard, source), pool: gpt, ticket: 1, epoch: count, claimId: newClaimId(source) };
}

const at = { epoch: 1, phase: 0 };
const text = (value: string): RunEvent => ({ type: "text", ...at, text: value });
const reasoning = (value: string): RunEvent => ({ type: "reasoning", ...at, text: value });
const notice: RunEvent = { type: "notice", ...at, code: "x", message: "y" };

/** A writer whose calls end when the test says so, or at once. */
function open({ held = false } = {}) {
  const calls: { readonly batch: readonly ClaimEvents[]; readonly end: PromiseWithResolvers<void> }[] = [];
  const errors: unknown[] = [];
  const publish = (batch: readonly ClaimEvents[]) => {
    const end = Promise.withResolvers<void>();
    calls.push({ batch, end });
    if (!held) end.resolve();
    return end.promise;
  };
  const writer = new EventWriter({ publish }, (error) => errors.push(error));
  return { writer, calls, errors, batches: () => calls.map(({ batch }) => batch) };
}

describe("events", () => {
  test("of all runs go out in one call a tick, and deltas that follow one another are one event", async () => {
    const { writer, batches } = open();
    const [one, other] = [claimOf(), claimOf()];
    for (const event of [
      text("a"),
      text("b"),
      notice,
      text("c"),
      reasoning("d"),
      reasoning("e"),
      text("f"),
    ]) {
      writer.push(one, event);
    }
    writer.push(other, text("x"));
    expect(batches()).toEqual([]);
    await vi.advanceTimersByTimeAsync(60);
    expect(batches()).toEqual([
      [
        { claim: one, events: [text("ab"), notice, text("c"), reasoning("de"), text("f")], chars: 206 },
        { claim: other, events: [text("x")], chars: 1 },
      ],
    ]);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(batches()).toHaveLength(1);
  });

  test("do not change those who pushed them", () => {
    const { writer } = open();
    const claim = claimOf();
    const first = text("a");
    writer.push(claim, first);
    writer.push(claim, text("b"));
    expect(first).toEqual(text("a"));
    expect(writer.take(claim)).toEqual([text("ab")]);
  });

  test("that are taken along with a ledger write do not go out again", async () => {
    const { writer, batches } = open();
    const [one, other] = [claimOf(), claimOf()];
    writer.push(one, text("a"));
    writer.push(other, text("x"));
    expect(writer.take(one)).toEqual([text("a")]);
    expect(writer.take(one)).toEqual([]);
    await vi.advanceTimersByTimeAsync(60);
    expect(batches()).toMatchObject([[{ claim: other }]]);
  });

  test("wait for the call before them, and can be taken as long as they wait", async () => {
    const { writer, calls, batches } = open({ held: true });
    const claim = claimOf();
    writer.push(claim, text("a"));
    await vi.advanceTimersByTimeAsync(60);
    writer.push(claim, text("b"));
    await vi.advanceTimersByTimeAsync(60);
    writer.push(claim, text("c"));
    expect(batches()).toMatchObject([[{ events: [text("a")] }]]);
    expect(writer.take(claim)).toEqual([text("bc")]);
    writer.push(claim, text("d"));
    calls[0]?.end.resolve();
    await vi.advanceTimersByTimeAsync(60);
    expect(batches().slice(1)).toMatchObject([[{ events: [text("d")] }]]);
  });

  test("of more runs than a call takes go out in several, one after the other", async () => {
    const { writer, calls, batches } = open({ held: true });
    for (let run = 0; run < 501; run += 1) writer.push(claimOf(), text("a"));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(batches().map((batch) => batch.length)).toEqual([500]);
    calls[0]?.end.resolve();
    await vi.advanceTimersByTimeAsync(0);
    expect(batches().map((batch) => batch.length)).toEqual([500, 1]);
  });

  test("go out at once when there is much of them", () => {
    const { writer, batches } = open();
    writer.push(claimOf(), text("x".repeat(64_000)));
    expect(batches()).toHaveLength(0);
    writer.push(claimOf(), text("x".repeat(64_001)));
    expect(batches()).toHaveLength(1);
  });

  test("of many runs wait longer, and never longer than a second", async () => {
    const { writer, batches } = open();
    for (let run = 0; run < 400; run += 1) writer.push(claimOf(), text("a"));
    await vi.advanceTimersByTimeAsync(60);
    // The first tick began with one run; the next is that of all.
    expect(batches()).toHaveLength(1);
    for (let run = 0; run < 5_000; run += 1) writer.push(claimOf(), text("a"));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(batches().flat()).toHaveLength(5_400);
  });
});

test("a call that fails is told, and later events go out", async () => {
  const { writer, calls, errors } = open({ held: true });
  writer.push(claimOf(), text("a"));
  await vi.advanceTimersByTimeAsync(60);
  writer.push(claimOf(), text("b"));
  calls[0]?.end.reject(new Error("away"));
  await vi.advanceTimersByTimeAsync(60);
  expect(errors).toEqual([new Error("away")]);
  expect(calls).toHaveLength(2);
});

test("those of a shard that does not answer hold up no other's", async () => {
  const { writer, calls } = open({ held: true });
  const [away, other] = [claimOf(0), claimOf(1)];
  writer.push(away, text("a"));
  await vi.advanceTimersByTimeAsync(60);
  writer.push(other, text("x"));
  await vi.advanceTimersByTimeAsync(60);
  expect(calls).toHaveLength(2);
  expect(calls[1]?.batch).toMatchObject([{ claim: other, events: [text("x")] }]);
});

test("closing writes what is pending behind what is under way, and leaves no timer", async () => {
  const { writer, calls, batches } = open({ held: true });
  const claim = claimOf();
  writer.push(claim, text("a"));
  await vi.advanceTimersByTimeAsync(60);
  writer.push(claim, text("b"));
  const closing = writer.close();
  calls[0]?.end.resolve();
  await vi.advanceTimersByTimeAsync(0);
  expect(batches().slice(1)).toMatchObject([[{ events: [text("b")] }]]);
  calls[1]?.end.resolve();
  await closing;
  expect(vi.getTimerCount()).toBe(0);
});
