import { BatonError, parseRunSpec } from "@baton/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { useRedis } from "../../../../test/support/redis.ts";
import { until } from "../../../../test/support/until.ts";
import { makeKnownKey, type TestKey } from "../testing/api-keys.ts";
import { type Answer, type ApiRig, openApiRig } from "../testing/api-rig.ts";
import { line, postBatch } from "../testing/batch-rig.ts";
import { boundedRuns } from "./bounded-runs.ts";
import { scopedRuns } from "./scoped-runs.ts";
import { Turns } from "./turns.ts";

const redis = useRedis();
const spec = { input: "hi", model: "openai/gpt-5.2" };
let api: ApiRig;
let release: () => void;
let gate: Promise<void> | undefined;
beforeEach(async () => {
  gate = undefined;
  release = () => undefined;
  api = await openApiRig(redis.url, {
    script: async () => {
      await gate;
      return { parts: [{ type: "text", text: "Hello." }] };
    },
  });
});
afterEach(async () => {
  release();
  await api[Symbol.asyncDispose]();
});

/** Models answer when `release` is called. */
function hold(): void {
  gate = new Promise((resolve) => {
    release = resolve;
  });
}

const key = (grant: Parameters<typeof makeKnownKey>[1]): Promise<TestKey> => makeKnownKey(api, grant);
const submit = (by: TestKey, query = ""): Promise<Answer> =>
  api.call("POST", `/v1/runs${query}`, spec, by.headers);

/** The service as a request of the key has it. */
function runsOf({ id }: TestKey, bounds: Parameters<typeof boundedRuns>[1]["bounds"]) {
  const principal = { keyId: id, namespace: id, scopes: new Set<never>(), bounds };
  return boundedRuns(scopedRuns(api.producer, principal), principal, api.store.ledger, new Turns());
}

async function* lines(count: number) {
  for (let line = 1; line <= count; line += 1)
    yield { kind: "run" as const, line, customId: `c${line}`, spec: parseRunSpec(spec) };
}
describe("live runs of a key", () => {
  test("are at most as many as it may have; when one ends there is room again", async () => {
    hold();
    const [bounded, other] = [await key({ maxLive: 2 }), await key({})];
    const first = await submit(bounded);
    expect([first.status, (await submit(bounded)).status]).toEqual([202, 202]);
    const refused = await submit(bounded);
    expect(refused).toMatchObject({ status: 429, body: { error: { code: "rate_limited" } } });
    expect(refused.body.error.message).toContain("2 runs at once");
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await submit(other)).status).toBe(202);
    expect((await api.call("POST", `/v1/runs/${first.body.id}/fork`, {}, bounded.headers)).status).toBe(429);
    await api.call("POST", `/v1/runs/${first.body.id}/cancel`, {}, bounded.headers);
    expect((await submit(bounded)).status).toBe(202);
    expect((await api.call("POST", `/v1/runs/${first.body.id}/retry`, {}, bounded.headers)).status).toBe(429);
  });

  test("need no room for a submission that is sent again, by its key or its place in a batch", async () => {
    hold();
    const bounded = await key({ maxLive: 2 });
    const send = (query: string, own: Readonly<Record<string, string>>, input = "hi") =>
      api.call("POST", `/v1/runs${query}`, { ...spec, input }, { ...bounded.headers, ...own });
    const named = { "idempotency-key": "mine" };
    const place = "?batch=pages&custom_id=one";
    const first = [await send("", named), await send(place, {})];
    expect(first.map(({ status }) => status)).toEqual([202, 202]);
    const again = [await send("", named), await send(place, {})];
    expect(again.map(({ body }) => body)).toMatchObject(
      first.map(({ body }) => ({ id: body.id, created: false })),
    );
    expect((await send("", named, "ho")).status).toBe(409);
    expect((await send("", { "idempotency-key": "another" })).status).toBe(429);
    expect((await send("?batch=pages&custom_id=two", {})).status).toBe(429);
    const one = line("one", spec);
    const batch = (file: string) => postBatch(api.url, "?id=pages", file, bounded.headers);
    expect((await batch(one)).body.submission).toMatchObject({ created: 0, known: 1 });
    expect(await batch(one + line("two"))).toMatchObject({ status: 429 });
  });

  test("count those of a batch, which gets in as far as there is room and goes on when it is sent again", async () => {
    hold();
    const bounded = await key({});
    const runs = runsOf(bounded, { maxLive: 3 });
    const signal = AbortSignal.timeout(20_000);
    await expect(runs.submitBatch(lines(5), { id: "b" }, signal)).rejects.toMatchObject({
      code: "rate_limited",
    });
    expect((await runs.batchStatus("b")).total).toBe(3);
    expect(await api.store.ledger.countSpace(bounded.id)).toMatchObject({ live: 3 });
    release();
    await until(async () => (await api.store.ledger.countSpace(bounded.id)).live === 0, {
      what: "the end of three",
    });
    expect(await runs.submitBatch(lines(5), { id: "b" }, signal)).toMatchObject({ created: 2, known: 3 });
  });
});

describe("live runs of a key that are asked for in the same moment", () => {
  test("are never more than it may have in one process, and none is refused that fits", async () => {
    hold();
    const bounded = await key({ maxLive: 10 });
    const statuses = await Promise.all(
      Array.from({ length: 40 }, async () => (await submit(bounded)).status),
    );
    expect(statuses.filter((status) => status === 202)).toHaveLength(10);
    expect(statuses.filter((status) => status === 429)).toHaveLength(30);
    expect(await api.store.ledger.countSpace(bounded.id)).toMatchObject({ live: 10 });
  });

  test("are a batch's, whole or not at all: nothing is written of one that does not fit", async () => {
    hold();
    const bounded = await key({ maxLive: 10 });
    const upload = (id: string, count: number) =>
      postBatch(
        api.url,
        `?id=${id}`,
        Array.from({ length: count }, (_, index) => line(`${id}${index}`)).join(""),
        bounded.headers,
      );
    expect(await upload("never", 2_000)).toMatchObject({
      status: 413,
      body: { error: { code: "too_large" } },
    });
    const answers = await Promise.all([upload("one", 7), upload("two", 7)]);
    expect(answers.map(({ status }) => status).toSorted()).toEqual([202, 429]);
    expect(await api.store.ledger.countSpace(bounded.id)).toMatchObject({ live: 7 });
    // Sent again, what is in needs no room.
    const fitted = answers[0]?.status === 202 ? "one" : "two";
    expect((await upload(fitted, 10)).body.submission).toMatchObject({ created: 3, known: 7 });
    expect((await upload("three", 1)).status).toBe(429);
  });

  test("are not more when the failed runs of a batch are retried", async () => {
    gate = Promise.reject(new BatonError("provider_rejected", "no"));
    gate.catch(() => undefined);
    const bounded = await key({});
    const signal = AbortSignal.timeout(20_000);
    await runsOf(bounded, {}).submitBatch(lines(600), { id: "b" }, signal);
    await until(async () => (await api.store.ledger.countSpace(bounded.id)).failed === 600, {
      what: "all to fail",
      withinMs: 20_000,
    });
    hold();
    const retried = Array.fromAsync(runsOf(bounded, { maxLive: 50 }).retryBatch("b", {}, signal));
    await expect(retried).rejects.toMatchObject({ code: "rate_limited" });
    expect(await api.store.ledger.countSpace(bounded.id)).toMatchObject({ live: 50, failed: 550 });
  });
});

describe("the budget of a key", () => {
  test("bounds what its namespace spends: nothing new is taken, and what runs goes on", async () => {
    const bounded = await key({ budget: { tokens: 20 } });
    hold();
    const waiting = await submit(bounded);
    release();
    gate = undefined;
    const results = [await submit(bounded, "?wait=20"), await submit(bounded, "?wait=20")];
    // A run takes 15 tokens.
    expect(results.map(({ body }) => body.status ?? body.error.code)).toContain("succeeded");
    await until(async () => (await api.store.ledger.spaceUsage(bounded.id)).tokens >= 30, {
      what: "two runs' tokens",
    });
    const refused = await submit(bounded);
    expect(refused).toMatchObject({ status: 402, body: { error: { code: "budget" } } });
    const done = await until(
      async () => {
        const { body } = await api.call("GET", `/v1/runs/${waiting.body.id}`, undefined, bounded.headers);
        return body.status === "succeeded" && body;
      },
      { what: "the run that was under way to end" },
    );
    expect(done.final_output).toBe("Hello.");
    expect((await submit(await key({}))).status).toBe(202);
  });

  test("is refused at each way to make or wake a run, by tokens or by USD", async () => {
    const bounded = await key({});
    const { body } = await submit(bounded, "?wait=20");
    hold();
    const stopped = await submit(bounded);
    await api.producer.cancel(stopped.body.id);
    for (const budget of [{ tokens: 15 }, { usd: 0.5 }]) {
      const principal = { namespace: bounded.id, scopes: new Set<never>(), bounds: { budget } };
      const ledger = {
        ...api.store.ledger,
        spaceUsage: async () => ({ tokens: 15, costUsd: 0.5, unpricedReplies: 0 }),
      };
      const runs = boundedRuns(scopedRuns(api.producer, principal), principal, ledger, new Turns());
      const signal = AbortSignal.timeout(20_000);
      const ways = [
        () => runs.submit(spec),
        () => runs.fork(body.id, { input: "Another one." }),
        () => runs.retry(stopped.body.id),
        () => runs.submitBatch(lines(1), { id: "b" }, signal),
        () => runs.retryBatch("b", {}, signal).next(),
        () => runs.changeBatch("b", { weight: 2 }, signal).next(),
        () => runs.resume(body.id),
        () => runs.input(body.id, { message: "go on" }),
        () => runs.approve(body.id),
        () => runs.reject(body.id),
      ];
      for (const way of ways) {
        const error: unknown = await way().catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(BatonError);
        expect(error).toMatchObject({ code: "budget" });
      }
    }
    expect(await api.store.ledger.countSpace(bounded.id)).toMatchObject({
      succeeded: 1,
      cancelled: 1,
      live: 0,
    });
  });
});

test("a key without bounds asks Redis nothing more", () => {
  const principal = { keyId: "k", namespace: "k", scopes: new Set<never>(), bounds: { rpm: 5 } };
  const service = scopedRuns(api.producer, principal);
  expect(boundedRuns(service, principal, api.store.ledger, new Turns())).toBe(service);
});
