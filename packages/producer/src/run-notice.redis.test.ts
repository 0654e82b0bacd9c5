/** Why a run does not move, as it is told: one reason for each thing that can keep it. */
import { modelIdSchema, type Run, runSchema } from "@baton/core";
import { describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { openRig } from "../../../test/support/worker-rig.ts";
import { readNotice } from "./run-notice.ts";

const redis = useRedis();
const GPT = modelIdSchema.parse("openai/gpt-5.2");

function runOf(own: object): Run {
  const counts = { ticket: 1, epoch: 1, items: 1, turns: 0, handoffs: 0, takeovers: 0 };
  const usage = {
    inputTokens: 0,
    cachedInputTokens: 0,
    cacheWriteTokens: 0,
    outputTokens: 0,
    reasoningTokens: 0,
  };
  const id = "r_0_01J9ZC7Q8H2N3K4M5P6R7S8T9V";
  return runSchema.parse({
    id,
    model: GPT,
    ...counts,
    createdAt: 1,
    updatedAt: 1,
    usage,
    phases: [],
    ...own,
  });
}

/** A ledger with one live worker, which serves the model. */
async function served() {
  const rig = await openRig(redis.url);
  const byPool = { activeByPool: {}, caps: {}, refused: [], endedByPool: {}, failingByPool: {} };
  const counts = { concurrency: 1, active: 0, ...byPool };
  const worker = {
    workerId: "w",
    host: "h",
    pid: 1,
    version: "1",
    patterns: ["openai/*"],
    pools: [],
    ...counts,
  };
  await rig.ledger.beat(worker, []);
  return rig;
}

describe("the notice of a run", () => {
  test.each([
    ["paused", { reason: "paused" }, /^paused: `baton runs resume r_0_/],
    [
      "asking for a word",
      { reason: "approval", detail: "a word on send" },
      /^waits for a word on send: `baton runs approve/,
    ],
    ["at its budget", { reason: "budget", detail: "tokens: 9 of 8" }, /^tokens: 9 of 8$/],
    ["waiting for its caller", { reason: "client_tools" }, /its caller's own tools/],
  ])("that is %s says what it waits for", async (_, own, words) => {
    await using rig = await openRig(redis.url);
    expect(await readNotice(rig.ledger, runOf({ status: "waiting", ...own }))).toMatch(words);
  });

  test("says who is missing, also of one that is at work where nobody is", async () => {
    await using rig = await openRig(redis.url);
    for (const own of [{ status: "queued" }, { status: "running", pausing: false }]) {
      expect(await readNotice(rig.ledger, runOf(own))).toMatch(/^no live worker serves openai\/gpt-5\.2/);
    }
    await rig.ledger.hold(GPT, { kind: "for", ms: 60_000 });
    expect(await readNotice(rig.ledger, runOf({ status: "queued" }))).toMatch(
      /no live worker serves .*; the pool openai\/gpt-5\.2 is rate limited for \d+ s$/,
    );
  });

  test("says what a served one lacks, what holds it, or until when it waits after what", async () => {
    await using rig = await served();
    const notice = (own: object) => readNotice(rig.ledger, runOf({ status: "queued", ...own }));
    expect(await notice({})).toBeUndefined();
    expect(await notice({ missing: ["server:exa"] })).toContain("has what it needs: server:exa");
    const backoff = { notBefore: 1_700_000_000_000, failures: 3 };
    const lastFailure = { code: "provider_overloaded", message: "busy" };
    expect(await notice({ ...backoff, lastFailure })).toBe(
      "not before 2023-11-14T22:13:20.000Z, after 3 failed calls: busy",
    );
    await rig.ledger.hold(GPT, { kind: "paused" });
    expect(await notice(backoff)).toBe("the pool openai/gpt-5.2 is paused");
  });

  test("is none for one that moves or is over", async () => {
    await using rig = await served();
    // It stops after its turn, and is told of then.
    await rig.ledger.hold(GPT, { kind: "paused" });
    expect(await readNotice(rig.ledger, runOf({ status: "running", pausing: false }))).toBeUndefined();
    expect(await readNotice(rig.ledger, runOf({ status: "succeeded", endedAt: 1 }))).toBeUndefined();
  });
});
