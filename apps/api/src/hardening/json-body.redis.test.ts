/** What is read as JSON, what is refused as something else, and when there is nothing to read. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { useRedis } from "../../../../test/support/redis.ts";
import { type ApiRig, openApiRig } from "../testing/api-rig.ts";

const redis = useRedis();
let api: ApiRig;
beforeAll(async () => {
  api = await openApiRig(redis.url);
});
afterAll(async () => api[Symbol.asyncDispose]());

const spec = (input: string) => JSON.stringify({ input, model: "openai/gpt-5.2" });

async function post(path: string, type: string | undefined, body: string | Buffer) {
  const headers: Record<string, string> = type === undefined ? {} : { "content-type": type };
  const answer = await fetch(api.url + path, { method: "POST", headers, body });
  return { status: answer.status, code: JSON.parse(await answer.text()).error?.code };
}

test.each([
  "application/json",
  'APPLICATION/JSON; Charset="UTF-8"',
  "application/json; charset=iso-8859-1",
  "application/json;",
])("a body of %s is JSON in UTF-8", async (type) => {
  const said = Buffer.from(`\ufeff${spec("é😀")}`);
  const { status } = await post("/v1/runs", type, said);
  expect(status).toBe(202);
  const [run] = (await api.call("GET", "/v1/runs")).body.data;
  const { body } = await api.call("GET", `/v1/runs/${run.id}/conversation`);
  expect(body.data[0].parts).toEqual([{ type: "text", text: "é😀" }]);
});

test.each([
  "text/plain",
  "application/x-www-form-urlencoded",
  "application/merge-patch+json",
  "application/jsonx",
])("a body of %s is a 415", async (type) => {
  expect(await post("/v1/runs", type, spec("hi"))).toEqual({ status: 415, code: "unsupported_media_type" });
  expect((await post("/v1/chat/completions", type, spec("hi"))).status).toBe(415);
  expect(await post("/v1/nothing", type, spec("hi"))).toEqual({ status: 404, code: "not_found" });
});

test("a body that says no type at all is a 415", async () => {
  expect((await post("/v1/runs", undefined, Buffer.from(spec("hi")))).status).toBe(415);
});

test("bytes that are no UTF-8 are refused, and not stored as question marks", async () => {
  const latin1 = Buffer.from(spec("café"), "latin1");
  const refused = { status: 400, code: "bad_request" };
  expect(await post("/v1/runs", "application/json; charset=iso-8859-1", latin1)).toEqual(refused);
  expect((await api.call("GET", "/v1/runs")).body.data).toEqual([]);
});

test.each(["text/plain", "application/x-www-form-urlencoded", "application/json", undefined])(
  "an act without a body may say %s",
  async (type) => {
    const { body } = await api.call("POST", "/v1/runs", { input: "hi", model: "sim/none" });
    expect((await post(`/v1/runs/${body.id}/cancel`, type, "")).status).toBe(200);
  },
);
