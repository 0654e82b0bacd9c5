/** Requests that are not quite what a call takes, in ways that have nothing to do with the call. */
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { type ApiRig, openApiRig } from "./testing/api-rig.ts";
import { line, postBatch } from "./testing/batch-rig.ts";

const redis = useRedis();
let api: ApiRig;
beforeAll(async () => {
  api = await openApiRig(redis.url);
});
afterAll(() => api[Symbol.asyncDispose]());

const spec = { input: "hi", model: "openai/gpt-5.2" };
const RUN = "/v1/runs/r_0_01J9ZC7Q8H2N3K4M5P6R7S8T9V";
const BATCH = "/v1/batches/b_1";
const POOL = "/v1/pools/openai/gpt-5.2";

const CALLS: readonly (readonly [method: string, path: string, body?: object])[] = [
  ["POST", "/v1/runs", spec],
  ["GET", "/v1/runs"],
  ["GET", RUN],
  ["GET", `${RUN}/conversation`],
  ["GET", `${RUN}/events`],
  ...["cancel", "pause", "resume", "retry", "approve", "reject", "fork"].map(
    (act) => ["POST", `${RUN}/${act}`] as const,
  ),
  ["POST", `${RUN}/input`, { message: "go on" }],
  ["GET", "/v1/batches"],
  ["GET", BATCH],
  ["PATCH", BATCH, { weight: 2 }],
  ["GET", `${BATCH}/results`],
  ["GET", `${BATCH}/errors`],
  ["POST", `${BATCH}/retry`],
  ["POST", `${BATCH}/cancel`],
  ["GET", "/v1/pools"],
  ["GET", POOL],
  ["PATCH", POOL, { rpm: 5 }],
  ["POST", `${POOL}/pause`],
  ["POST", `${POOL}/resume`],
  ["GET", "/v1/workers"],
];

test.each(CALLS.map((call) => ({ name: call.slice(0, 2).join(" "), call })))(
  "$name refuses a parameter that it does not know, and names it",
  async ({ call: [method, path, body] }) => {
    const answer = await api.call(method, `${path}?limt=5`, body);
    expect(answer.status).toBe(400);
    expect(answer.body.error).toMatchObject({
      code: "invalid_spec",
      message: expect.stringContaining("limt"),
    });
  },
);

test("a batch is not submitted when its check was asked for in other letters", async () => {
  const { status, body } = await postBatch(api.url, "?id=misspelt&chek=true", line("a"));
  expect(status).toBe(400);
  expect(body.error.message).toContain("chek");
  expect((await api.call("GET", "/v1/batches/misspelt")).status).toBe(404);
});

test("an act without a body may say that it would have been JSON, as many clients do", async () => {
  const { body: run } = await api.call("POST", "/v1/runs", { ...spec, run_at: "2099-01-01T00:00:00Z" });
  const headers = { "content-type": "application/json" };
  const act = (path: string) => fetch(`${api.url}${path}`, { method: "POST", headers });
  expect((await act(`/v1/runs/${run.id}/cancel`)).status).toBe(200);
  expect((await act(`/v1/runs/${run.id}/retry`)).status).toBe(200);
  await postBatch(api.url, "?id=acted", line("a"));
  expect((await act("/v1/batches/acted/cancel")).status).toBe(200);
  expect((await act("/v1/batches/acted/retry")).status).toBe(200);
  // Where a body is needed, an empty one is none.
  const missing = await act("/v1/runs");
  expect([missing.status, await missing.json()]).toMatchObject([400, { error: { code: "invalid_spec" } }]);
});

test("a field that the cancelling of a batch does not know is refused", async () => {
  await postBatch(api.url, "?id=whole", line("a", { run_at: "2099-01-01T00:00:00Z" }));
  const { status, body } = await api.call("POST", "/v1/batches/whole/cancel", { failed: true });
  expect([status, body.error?.code]).toEqual([400, "invalid_spec"]);
  expect((await api.call("GET", "/v1/batches/whole")).body.runs.cancelled).toBe(0);
});

test.each([
  ["/v1/runs", "application/json", JSON.stringify(spec)],
  ["/v1/batches", "application/x-ndjson", line("a")],
])(
  "a packed body for %s is refused as what it is, and an unpacked one that says so is taken",
  async (path, type, text) => {
    const send = (encoding: string, body: Uint8Array<ArrayBuffer> | string) =>
      fetch(`${api.url}${path}`, {
        method: "POST",
        headers: { "content-type": type, "content-encoding": encoding },
        body,
      });
    const refused = await send("gzip", new Uint8Array(gzipSync(text)));
    expect(refused.status).toBe(415);
    expect(refused.headers.get("accept-encoding")).toBe("identity");
    expect(await refused.json()).toMatchObject({
      error: { code: "unsupported_media_type", message: expect.stringContaining("Content-Encoding") },
    });
    expect((await send("identity", text)).status).toBe(202);
  },
);
