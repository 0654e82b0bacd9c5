import { modelIdSchema, newRunId, type RunId } from "@baton/core";
import { ReplyError } from "ioredis";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ClaimRefusals } from "./claim-refusals.ts";

const pool = modelIdSchema.parse("openai/gpt");
const runIdOf = (n: number): RunId =>
  newRunId(0, { now: () => n, random: (size) => new Uint8Array(size).fill(n) });
const refusal = (message = "WRONGTYPE of a key, script: x, on @user_script:1."): Error =>
  new ReplyError(message);

let lines: string[];
let rests: boolean[];
let refusals: ClaimRefusals;
beforeEach(() => {
  vi.useFakeTimers();
  lines = [];
  rests = [];
  refusals = new ClaimRefusals({
    ids: { now: () => Date.now() },
    log: pino({}, { write: (line: string) => void lines.push(JSON.parse(line).msg) }),
    onRest: () => rests.push(refusals.isResting(pool)),
  });
});
afterEach(() => {
  refusals.stop();
  vi.useRealTimers();
});

const refuse = (n: number, error = refusal()) => refusals.refused({ runId: runIdOf(n), pool }, error);
const answer = (n: number) => refusals.answered({ runId: runIdOf(n), pool });

test("the job of a run that is refused comes back later each time, and its pool does not rest for it", () => {
  const waits = Array.from({ length: 9 }, () => refuse(1));
  expect(waits.map((verdict) => verdict.kind === "later" && verdict.ms / 1_000)).toEqual([
    1, 2, 4, 8, 16, 32, 60, 60, 60,
  ]);
  expect(refusals.isResting(pool)).toBe(false);
  expect(refusals.byPool).toEqual({ [pool]: 9 });
  expect(refusals.unclaimable, "others may be taken").toEqual([]);
  expect(lines, "said once").toHaveLength(1);
});

test("where every claim is refused the pool rests, longer each time, and those under way do not prolong it", () => {
  const rested: number[] = [];
  for (let round = 1; round <= 7; round += 1) {
    for (let n = 1; n <= 20; n += 1) refuse(n);
    const since = Date.now();
    while (refusals.isResting(pool)) vi.advanceTimersByTime(100);
    rested.push((Date.now() - since) / 1_000);
    vi.advanceTimersByTime(100);
  }
  expect(rested).toEqual([1, 2, 4, 8, 16, 30, 30]);
  // Each rest is followed when it begins, and when it is over.
  expect(rests).toEqual(rested.flatMap(() => [true, false]));
  expect(lines).toHaveLength(1);
});

test("a claim that is answered ends it, and what comes next begins from the first second", () => {
  refuse(1);
  refuse(2);
  expect(refusals.isResting(pool)).toBe(true);
  expect(refusals.unclaimable).toEqual([pool]);
  answer(2);
  expect(refusals.unclaimable).toEqual([]);
  expect(refusals.isResting(pool)).toBe(false);
  expect(rests.at(-1)).toBe(false);
  expect(refusals.byPool).toEqual({});
  expect(lines.at(-1)).toBe("claims are answered again");
  expect(refuse(2)).toEqual({ kind: "later", ms: 1_000 });
  expect(refuse(1), "which was never answered").toEqual({ kind: "later", ms: 2_000 });
});

test("one refusal is not told with the beat", () => {
  refuse(1);
  expect(refusals.byPool).toEqual({});
});

test.each([
  "OOM command not allowed",
  "READONLY You can't write",
  "LOADING Redis is loading",
  "BUSY Redis is busy",
])("what is no refusal of the claim is thrown: %s", (message) => {
  expect(() => refuse(1, refusal(message))).toThrow(message);
  expect(() => refuse(1, new Error("Connection is closed."))).toThrow("closed");
  expect(lines).toEqual([]);
});
