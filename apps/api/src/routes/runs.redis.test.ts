import { afterAll, beforeAll, expect, test } from "vitest";
import { useRedis } from "../../../../test/support/redis.ts";
import { type ApiRig, openApiRig } from "../testing/api-rig.ts";

const redis = useRedis();
let api: ApiRig;
beforeAll(async () => {
  api = await openApiRig(redis.url);
});
afterAll(async () => api[Symbol.asyncDispose]());

const spec = { input: "hi", model: "openai/gpt-5.2" };

test("a run that is waited for answers with its result", async () => {
  const { status, body, headers } = await api.call("POST", "/v1/runs?wait=20", spec);
  expect(status).toBe(200);
  expect(body).toMatchObject({
    status: "succeeded",
    final_output: "Hello.",
    models_used: ["openai/gpt-5.2"],
  });
  expect(headers.get("location")).toBe(`/v1/runs/${body.id}`);
  expect((await api.call("GET", `/v1/runs/${body.id}`)).body).toMatchObject({
    id: body.id,
    final_output: "Hello.",
  });
});

test("a spec that is wrong is refused with the field", async () => {
  const { status, body } = await api.call("POST", "/v1/runs", { input: "hi", model: "gpt" });
  expect(status).toBe(400);
  expect(body.error).toMatchObject({ code: "invalid_spec", field: "model" });
});

test("the same key with the same body is one run, and with another a conflict", async () => {
  const key = { "idempotency-key": "one" };
  const first = await api.call("POST", "/v1/runs", spec, key);
  const again = await api.call("POST", "/v1/runs", spec, key);
  expect(again.body.id).toBe(first.body.id);
  const other = await api.call("POST", "/v1/runs", { ...spec, input: "ho" }, key);
  expect(other).toMatchObject({ status: 409, body: { error: { code: "conflict" } } });
});
