/** `POST /v1/runs`: what is submitted, what is answered, and what the same submission again gives. */
import { describe, expect, test } from "vitest";
import { useRedis } from "../../../../test/support/redis.ts";
import { openApiRig } from "../testing/api-rig.ts";

const redis = useRedis();
const spec = { input: "hi", model: "openai/gpt-5.2" };

describe("submitting a run", () => {
  test("that is waited for answers with its result", async () => {
    await using api = await openApiRig(redis.url);
    const { status, body, headers } = await api.call("POST", "/v1/runs?wait=20", spec);
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: "succeeded", final_output: "Hello.", created: true });
    expect(headers.get("location")).toBe(`/v1/runs/${body.id}`);
    expect((await api.call("GET", `/v1/runs/${body.id}`)).body).toMatchObject({ final_output: "Hello." });
  });

  test("whose spec is wrong is refused with the field, and nothing is written", async () => {
    await using api = await openApiRig(redis.url);
    const { status, body } = await api.call("POST", "/v1/runs", { input: "hi", model: "gpt" });
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ code: "invalid_spec", field: "model" });
    expect((await api.call("GET", "/v1/runs")).body.data).toEqual([]);
  });

  test("by a key that was there gives the same run and says so; with another spec it is a conflict", async () => {
    await using api = await openApiRig(redis.url);
    const key = { "idempotency-key": "one" };
    const first = await api.call("POST", "/v1/runs", spec, key);
    expect(first).toMatchObject({ status: 202, body: { created: true } });
    const again = await api.call("POST", "/v1/runs", spec, key);
    expect(again).toMatchObject({ status: 200, body: { id: first.body.id, created: false } });
    expect(again.headers.get("location")).toBe(`/v1/runs/${first.body.id}`);
    const other = await api.call("POST", "/v1/runs", { ...spec, input: "ho" }, key);
    expect(other).toMatchObject({ status: 409, body: { error: { code: "conflict" } } });
  });

  test("into a batch names it there, once; half a place is refused", async () => {
    await using api = await openApiRig(redis.url);
    const place = "/v1/runs?batch=night&custom_id=line%201";
    const first = await api.call("POST", place, spec);
    expect(first.body).toMatchObject({ batch: "night", custom_id: "line 1", created: true });
    expect((await api.call("POST", place, spec)).body).toMatchObject({ id: first.body.id, created: false });
    for (const half of ["batch=night", "custom_id=1"]) {
      const { status, body } = await api.call("POST", `/v1/runs?${half}`, spec);
      expect(status).toBe(400);
      expect(body.error.message).toContain("batch and custom_id together");
    }
  });

  test("into a batch is one run a name, whatever key comes along", async () => {
    await using api = await openApiRig(redis.url);
    const submit = (customId: string, key: string) =>
      api.call("POST", `/v1/runs?batch=night&custom_id=${customId}`, spec, { "idempotency-key": key });
    const first = await submit("1", "one");
    const sameName = await submit("1", "two");
    expect(sameName).toMatchObject({ status: 200, body: { id: first.body.id, created: false } });
    const sameKey = await submit("2", "one");
    expect(sameKey).toMatchObject({ status: 202, body: { custom_id: "2", created: true } });
  });

  test("into a batch whose name no URL could lead to is refused", async () => {
    await using api = await openApiRig(redis.url);
    for (const name of [".", "..", ".hidden", "a%20b", ""]) {
      const { status, body } = await api.call("POST", `/v1/runs?batch=${name}&custom_id=1`, spec);
      expect([status, body.error?.field], name).toEqual([400, "batch"]);
    }
    expect((await api.call("POST", "/v1/runs?batch=a..b.&custom_id=1", spec)).status).toBe(202);
    expect((await api.call("GET", "/v1/batches/a..b.")).status).toBe(200);
  });

  test("with a traceparent puts the run into that trace", async () => {
    await using api = await openApiRig(redis.url);
    const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const { body } = await api.call(
      "POST",
      "/v1/runs",
      { ...spec, model: "xai/grok-4-1" },
      { traceparent: trace },
    );
    expect(await api.store.connection.hget(`{baton}:run:${body.id}`, "trace")).toBe(trace);
  });
});
