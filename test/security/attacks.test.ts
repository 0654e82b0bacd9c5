/** What a caller who means harm sends, and what must not come of it. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeKnownKey } from "../../apps/api/src/testing/api-keys.ts";
import { type ApiRig, openApiRig } from "../../apps/api/src/testing/api-rig.ts";
import { postBatch } from "../../apps/api/src/testing/batch-rig.ts";
import { sendRaw } from "../../apps/api/src/testing/raw-request.ts";
import { useRedis } from "../support/redis.ts";

const redis = useRedis();
let api: ApiRig;
beforeAll(async () => {
  api = await openApiRig(redis.url);
});
afterAll(() => api[Symbol.asyncDispose]());

const model = "openai/gpt-5.2";

async function post(path: string, body: string, headers: Readonly<Record<string, string>> = {}) {
  const response = await fetch(api.url + path, {
    method: "POST",
    body,
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...headers,
    },
  });
  return { status: response.status, text: await response.text() };
}

describe("a body of a few megabytes takes neither memory nor time, and its answer is small", () => {
  const many = (count: number, value: string): string => Array<string>(count).fill(value).join(",");
  const names = (count: number): string =>
    Array.from({ length: count }, (_, index) => `"k${index}":1`).join(",");
  const bodies = {
    "a list of numbers": `{"model":"${model}","input":[${many(5_000_000, "1")}]}`,
    "fields that nobody knows": `{"model":"${model}","messages":[],${names(600_000)}}`,
    labels: `{"model":"${model}","input":"x","metadata":{${names(600_000)}}}`,
    "parts of no kind": `{"model":"${model}","messages":[{"role":"user","content":[${many(500_000, '{"type":"x"}')}]}]}`,
    "as many wrong values as are read": `{"model":"${model}","input":[${many(49_000, "1")}]}`,
    "a data: URL that never begins": JSON.stringify({
      model,
      input: [{ type: "image_url", image_url: { url: `data:a${";b".repeat(9_000_000)},` } }],
    }),
  };
  test.each(Object.entries(bodies))("%s", async (_what, body) => {
    for (const path of ["/v1/runs", "/v1/chat/completions", "/mcp"]) {
      const { status, text } = await post(path, body);
      // What `/mcp` takes is smaller.
      expect([path, [400, 413].includes(status), text.length < 5_000]).toEqual([path, true, true]);
    }
  });

  test("nor a line of a batch", async () => {
    const line = `{"custom_id":"a","body":{"model":"${model}","input":[${many(400_000, "1")}]}}\n`;
    const { status, text } = await postBatch(api.url, "", line);
    expect([status, text.length < 5_000]).toEqual([400, true]);
    expect(text).toContain("of more than 50000 values");
  });
});

describe("a request that two servers may read in two ways is refused", () => {
  test.each([
    ["two hosts", ["Host: 127.0.0.1", "Host: example.com"]],
    ["two keys", ["Host: 127.0.0.1", "Authorization: Bearer a", "Authorization: Bearer b"]],
    ["two lengths", ["Host: 127.0.0.1", "Content-Length: 5", "Content-Length: 6"]],
    ["a length and chunks", ["Host: 127.0.0.1", "Content-Length: 5", "Transfer-Encoding: chunked"]],
    ["a coding that is none", ["Host: 127.0.0.1", "Transfer-Encoding: xchunked"]],
    ["a name with a login", ["Host: 127.0.0.1@example.com"], 403],
    ["another site as the target of the request", ["Host: example.com"], 403],
  ])("%s", async (_what, headers, status = 400) => {
    const head = ["GET http://127.0.0.1/v1/runs HTTP/1.1", ...headers, "Connection: close"];
    expect(await sendRaw(api.url, `${head.join("\r\n")}\r\n\r\n`)).toMatch(
      new RegExp(`^HTTP/1.1 ${status} `),
    );
  });
});

test("one request to /mcp is one call, so the requests a minute of a key bound its calls", async () => {
  const call = {
    jsonrpc: "2.0",
    method: "tools/call",
    params: { name: "submit_run", arguments: { input: "x", model } },
  };
  const before = (await api.call("GET", "/v1/runs?limit=200")).body.data.length;
  const calls = (count: number) =>
    JSON.stringify(Array.from({ length: count }, (_, id) => ({ ...call, id })));
  expect(await post("/mcp", calls(2))).toMatchObject({
    status: 400,
    text: expect.stringContaining("one call"),
  });
  expect((await api.call("GET", "/v1/runs?limit=200")).body.data.length).toBe(before);
  expect((await post("/mcp", calls(1))).status).toBe(200);
  const noise = Array.from({ length: 30 }, () => ({
    jsonrpc: "2.0",
    method: "notifications/cancelled",
    params: { requestId: 1 },
  }));
  expect((await post("/mcp", JSON.stringify(noise))).status).toBe(400);
});

test("no spelling of another's batch or run, or of its key, leads out of a namespace", async () => {
  const [mine, theirs] = [await makeKnownKey(api), await makeKnownKey(api)];
  const line = `{"custom_id":"a","body":{"input":"x","model":"${model}"}}\n`;
  expect((await postBatch(api.url, "?id=secret", line, mine.headers)).status).toBe(202);
  const own = { ...mine.headers, "idempotency-key": "k" };
  const { id } = (await api.call("POST", "/v1/runs?wait=20", { input: "x", model }, own)).body;
  const batches = [
    ...["secret", `${mine.id}%2Fsecret`, `${mine.id}/secret`, `${mine.id}%252Fsecret`, `${mine.id}%5Csecret`],
    ...[
      `..%2F${mine.id}%2Fsecret`,
      `%2e%2e/${mine.id}/secret`,
      `.%2F..%2F${mine.id}%2Fsecret`,
      `${mine.id}%00secret`,
    ],
  ];
  const missing = { status: expect.toBeOneOf([400, 404]) };
  for (const batch of batches) {
    const of = (method: string, path: string, body?: unknown) =>
      api.call(method, `/v1/batches/${batch}${path}`, body, theirs.headers);
    for (const path of ["", "/results", "/errors"])
      expect(await of("GET", path), batch + path).toMatchObject(missing);
    for (const path of ["/retry", "/cancel"])
      expect(await of("POST", path), batch + path).toMatchObject(missing);
    expect(await of("PATCH", "", { weight: 2 }), batch).toMatchObject(missing);
    const place = await api.call(
      "POST",
      `/v1/runs?batch=${batch}&custom_id=a`,
      { input: "mine", model },
      theirs.headers,
    );
    expect(place.body.created ?? place.status, batch).not.toBe(false);
  }
  for (const path of ["", "/conversation", "/events", "?wait=1"])
    expect((await api.call("GET", `/v1/runs/${id}${path}`, undefined, theirs.headers)).status).toBe(404);
  for (const act of ["cancel", "pause", "resume", "retry", "approve", "reject", "fork"])
    expect((await api.call("POST", `/v1/runs/${id}/${act}`, {}, theirs.headers)).status, act).toBe(404);
  expect((await api.call("POST", `/v1/runs/${id}/input`, { message: "x" }, theirs.headers)).status).toBe(404);
  for (const key of ["k", `namespace ${mine.id} k`, `batch ${mine.id}/secret a`]) {
    const sent = { ...theirs.headers, "idempotency-key": key };
    const { status, body } = await api.call("POST", "/v1/runs", { input: "other", model }, sent);
    expect([status, body.created]).toEqual([202, true]);
  }
  const response = await api.call("GET", `/v1/responses/resp_${id}`, undefined, theirs.headers);
  expect(response.status).toBe(404);
  const goesOn = { input: "x", model, previous_response_id: `resp_${id}` };
  expect((await api.call("POST", "/v1/responses", goesOn, theirs.headers)).body.error.code).toBe(
    "previous_response_not_found",
  );
  const cursor = Buffer.from(id).toString("base64url");
  const page = await api.call("GET", `/v1/runs?cursor=${cursor}&limit=200`, undefined, theirs.headers);
  expect(page.text).not.toContain(id);
  const metrics = await api.call("GET", "/metrics", undefined, theirs.headers);
  expect(metrics.text).not.toMatch(new RegExp(`${mine.id}|secret`));
});
