/** Batches over HTTP: looks, results out, acts, and whose they are. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useRedis } from "../../../../test/support/redis.ts";
import { until } from "../../../../test/support/until.ts";
import { replaceMethods } from "../access/replace-methods.ts";
import { scopedRuns } from "../access/scoped-runs.ts";
import type { ApiRig } from "../testing/api-rig.ts";
import { type BatchRig, line, linesOf, openBatchRig, postBatch } from "../testing/batch-rig.ts";

const redis = useRedis();
let batches: BatchRig;
let api: ApiRig;
beforeAll(async () => {
  batches = await openBatchRig(redis.url);
  api = batches.api;
});
afterAll(async () => batches[Symbol.asyncDispose]());

describe("results", () => {
  test("come in both orders while runs are at work, and go on behind a cursor", async () => {
    batches.held.set("r1", Promise.withResolvers());
    const { body } = await batches.upload("?id=work", ["r1", "r2", "r3"].map((id) => line(id)).join(""));
    const { id } = body;
    await until(async () => (await batches.results(id)).length === 2, { what: "two results" });
    expect((await batches.results(id)).map((one) => one.custom_id)).toEqual(["r2", "r3"]);
    const soFar = await batches.results(id, "?order=finished");
    expect(new Set(soFar.map((one) => one.custom_id))).toEqual(new Set(["r2", "r3"]));
    const [first] = await batches.results(id);
    expect((await batches.results(id, `?after=${first.cursor}`)).map((one) => one.custom_id)).toEqual(["r3"]);

    const after = encodeURIComponent(soFar[1].cursor);
    const following = api.call("GET", `/v1/batches/${id}/results?order=finished&follow=true&after=${after}`);
    batches.held.get("r1")?.resolve();
    const rest = linesOf((await following).text).map((one) => one.custom_id);
    expect(rest.at(-1)).toBe("r1");
    expect(rest).not.toContain(soFar[1].custom_id);
    expect((await batches.results(id)).map((one) => one.custom_id)).toEqual(["r1", "r2", "r3"]);
  });

  test("can be taken by status, and errors alone", async () => {
    batches.down.add("sick");
    const { body } = await batches.upload("", line("sick") + line("well"));
    await batches.ended(body.id);
    expect(await batches.results(body.id, "?status=succeeded")).toMatchObject([{ custom_id: "well" }]);
    expect(await batches.results(body.id, "?status=failed&status=cancelled")).toMatchObject([
      { custom_id: "sick" },
    ]);
    const { text: told } = await api.call("GET", `/v1/batches/${body.id}/errors`);
    expect(linesOf(told)).toMatchObject([
      { custom_id: "sick", error: { code: "provider_auth" }, cursor: expect.any(String) },
    ]);
  });

  test.each([
    ["?follow=true", 400],
    ["?after=nothing", 400],
    ["?order=finished&after=1.2~x", 400],
    ["?order=upwards", 400],
  ])("asked for with %s are refused before the first line", async (query, status) => {
    await batches.upload("?id=plain", line("a"));
    const answer = await api.call("GET", `/v1/batches/plain/results${query}`);
    expect(answer).toMatchObject({ status, body: { error: { code: "invalid_spec" } } });
  });

  test("of a client that leaves are looked for no longer", async () => {
    batches.held.set("slow", Promise.withResolvers());
    await batches.upload("?id=left", line("slow"));
    let look: "none" | "open" | "over" = "none";
    const service = replaceMethods(api.producer, {
      async *batchResults(...args) {
        look = "open";
        try {
          yield* api.producer.batchResults(...args);
        } finally {
          look = "over";
        }
      },
    });
    const other = await batches.openApi(service);
    try {
      const leave = new AbortController();
      const url = `${other.url}/v1/batches/left/results?order=finished&follow=true`;
      const gone = fetch(url, { signal: leave.signal });
      gone.catch(() => undefined);
      await until(() => look === "open", { what: "the API to look" });
      leave.abort();
      await until(() => look === "over", { what: "the end of the look" });
    } finally {
      await other.stop(1_000);
      batches.held.get("slow")?.resolve();
    }
  });

  test("that are cut by a stop of the API do not look whole", async () => {
    batches.held.set("late", Promise.withResolvers());
    await batches.upload("?id=stopped", line("early") + line("late"));
    const other = await batches.openApi(api.producer);
    const answer = await fetch(`${other.url}/v1/batches/stopped/results?order=finished&follow=true`);
    const whole = answer.text();
    whole.catch(() => undefined);
    await other.stop(1_000);
    batches.held.get("late")?.resolve();
    await expect(whole).rejects.toThrow();
  });
});

describe("the runs of a batch", () => {
  test("are cancelled, then retried, and both can be asked for again", async () => {
    for (const id of ["x1", "x2"]) batches.held.set(id, Promise.withResolvers());
    await batches.upload("?id=acts", line("x1") + line("x2"));
    expect((await api.call("POST", "/v1/batches/acts/cancel")).body).toEqual({
      ...{ batch: "acts", cancelled: 2, refused: 0, refusals: [] },
    });
    expect((await api.call("POST", "/v1/batches/acts/cancel")).body).toMatchObject({ cancelled: 0 });
    expect((await api.call("POST", "/v1/batches/acts/retry")).body).toMatchObject({ retried: 0 });
    for (const id of ["x1", "x2"]) batches.held.get(id)?.resolve();
    const retried = await api.call("POST", "/v1/batches/acts/retry", { cancelled: true, attempts: 2 });
    expect(retried.body).toMatchObject({ retried: 2, refused: 0 });
    await batches.ended("acts");
    expect(await batches.results("acts", "?status=succeeded")).toHaveLength(2);
  });

  test("that failed are retried with lines of progress, where lines are accepted", async () => {
    batches.down.add("flaky");
    await batches.upload("?id=flaky", line("flaky"));
    await batches.ended("flaky");
    batches.down.delete("flaky");
    const { text: told } = await api.call("POST", "/v1/batches/flaky/retry", undefined, {
      accept: "application/x-ndjson",
    });
    expect(linesOf(told).at(0)).toEqual({ type: "progress", retried: 0, refused: 0 });
    expect(linesOf(told).at(-1)).toMatchObject({ type: "done", batch: "flaky", retried: 1 });
    await batches.ended("flaky");
    expect(await batches.results("flaky")).toMatchObject([{ status: "succeeded" }]);
  });

  test("that wait for a budget go on when it is raised, and a bound is taken away by null", async () => {
    const phases = [{ model: "openai/gpt-5.2" }, { model: "openai/gpt-5-mini" }];
    await batches.upload("?id=money&budget_tokens=1", line("m0", { model: undefined, phases }));
    await until(async () => (await api.call("GET", "/v1/batches/money")).body.status === "waiting", {
      what: "the run to wait for the budget",
    });
    const more = await batches.upload("?id=money", line("m1") + line("m2"));
    expect(more.body).toMatchObject({ budget_spent: true, total: 3, runs: { succeeded: 0 } });
    const { status, body } = await api.call("PATCH", "/v1/batches/money", {
      budget: { tokens: null },
      weight: 3,
    });
    expect({ status, body }).toMatchObject({
      status: 200,
      body: { weight: 3, budget_spent: false, refused: 0 },
    });
    // Of the others one may have tried by now.
    expect(body.resumed).toBeGreaterThan(0);
    expect(body.budget).toEqual({});
    await batches.ended("money");
    expect(await batches.results("money", "?status=succeeded")).toHaveLength(3);
  });

  test.each([
    ["POST", "/v1/batches/none/retry", undefined, 404],
    ["POST", "/v1/batches/none/cancel", undefined, 404],
    ["PATCH", "/v1/batches/none", { weight: 2 }, 404],
    ["GET", "/v1/batches/none/results", undefined, 404],
    ["GET", "/v1/batches/none/errors", undefined, 404],
    ["PATCH", "/v1/batches/acts", { weight: 0 }, 400],
    ["POST", "/v1/batches/acts/retry", { modle: "x" }, 400],
  ])("are not there, or not so: %s %s", async (method, path, body, status) => {
    const answer = await api.call(method, path, body);
    expect(answer).toMatchObject({ status, body: { error: { code: expect.any(String) } } });
  });
});

test("batches are listed newest first, page by page, while others come", async () => {
  for (const id of ["l0", "l1", "l2", "l3"]) await batches.upload(`?id=${id}`, line("a"));
  const first = (await api.call("GET", "/v1/batches?limit=2")).body;
  await batches.upload("?id=l4", line("a"));
  const second = (await api.call("GET", `/v1/batches?limit=2&cursor=${first.next_cursor}`)).body;
  const ids = [...first.data, ...second.data].map(({ id }: { id: string }) => id);
  expect(ids).toEqual(["l3", "l2", "l1", "l0"]);
  expect(second.next_cursor).toBeNull();
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const query = cursor === null ? "" : `&cursor=${cursor}`;
    const { body } = await api.call("GET", `/v1/batches?limit=3${query}`);
    seen.push(...body.data.map(({ id }: { id: string }) => id));
    cursor = body.next_cursor;
  } while (cursor !== null);
  expect(seen).toEqual(["l4", "l3", "l2", "l1", "l0"]);
  expect(await api.call("GET", "/v1/batches?cursor=zzz")).toMatchObject({
    ...{ status: 400, body: { error: { code: "invalid_spec", field: "cursor" } } },
  });
});

test("two namespaces with the same batch id do not meet", async () => {
  const open = (namespace: string) => batches.openApi(scopedRuns(api.producer, { namespace }));
  const [red, blue] = [await open("red"), await open("blue")];
  try {
    const get = async (url: string, path: string) => {
      const response = await fetch(`${url}${path}`);
      return { status: response.status, text: await response.text() };
    };
    expect((await postBatch(red.url, "?id=same", line("a"))).body).toMatchObject({ id: "same", total: 1 });
    expect((await get(blue.url, "/v1/batches/same")).status).toBe(404);
    for (const path of ["results", "errors"]) {
      expect((await get(blue.url, `/v1/batches/same/${path}`)).status).toBe(404);
      expect((await get(blue.url, `/v1/batches/red%2Fsame/${path}`)).status).toBe(404);
    }
    const mine = (await postBatch(blue.url, "?id=same", line("a") + line("b"))).body;
    expect(mine).toMatchObject({ id: "same", total: 2, submission: { created: 2 } });
    await batches.ended("blue%2Fsame");
    await batches.ended("red%2Fsame");
    expect(linesOf((await get(red.url, "/v1/batches/same/results")).text)).toHaveLength(1);
    const listed = JSON.parse((await get(blue.url, "/v1/batches")).text);
    expect(listed.data.map(({ id }: { id: string }) => id)).toEqual(["same"]);
  } finally {
    await red.stop(1_000);
    await blue.stop(1_000);
  }
});
