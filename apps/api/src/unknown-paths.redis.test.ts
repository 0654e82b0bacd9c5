/** What is answered to requests that no route takes, or takes otherwise: always with a code and what to do. */
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { type ApiRig, callApi, openApiRig } from "./testing/api-rig.ts";

const redis = useRedis();
const RUN = "/v1/runs/r_0_01J9ZC7Q8H2N3K4M5P6R7S8T9V";

test("a path that is not there is a 404, whatever the method", async () => {
  await using api = await openApiRig(redis.url);
  for (const [method, path] of [
    ["GET", "/v1/nothing"],
    ["POST", "/"],
    ["DELETE", `${RUN}/cancel/more`],
  ] as const) {
    const { status, body, headers } = await api.call(method, path);
    expect({ path, status, code: body.error.code }).toEqual({ path, status: 404, code: "not_found" });
    expect(body.error.message).toContain("/openapi.json");
    expect(headers.get("allow")).toBeNull();
  }
});

test("a method that a path does not take is a 405 that says which it takes", async () => {
  await using api = await openApiRig(redis.url);
  for (const [method, path, allow] of [
    ["PUT", "/v1/runs", "GET, HEAD, POST"],
    ["DELETE", RUN, "GET, HEAD"],
    ["GET", `${RUN}/retry`, "POST"],
    ["POST", "/v1/pools/openai/gpt-5.2", "GET, HEAD, PATCH"],
    ["POST", "/healthz?x=1", "GET, HEAD"],
  ] as const) {
    const { status, body, headers } = await api.call(method, path);
    expect({ path, status, code: body.error.code }).toEqual({
      path,
      status: 405,
      code: "method_not_allowed",
    });
    expect(headers.get("allow")).toBe(allow);
    expect(body.error.message).toContain(`use ${allow}`);
  }
});

test("beside the paths of OpenAI's clients it is said in their shape", async () => {
  await using api = await openApiRig(redis.url);
  const path = await api.call("POST", "/v1/chat/nothing");
  expect(path).toMatchObject({
    status: 404,
    body: { error: { type: "invalid_request_error", param: null } },
  });
  const method = await api.call("PUT", "/v1/responses");
  expect(method).toMatchObject({ status: 405, body: { error: { code: "method_not_allowed", param: null } } });
  expect(method.headers.get("allow")).toBe("POST");
});

test("a body that is no JSON is a 400, and one of another kind a 415", async () => {
  await using api = await openApiRig(redis.url);
  const send = (type: string, body: string) => sendText(api, type, body);
  expect(await send("application/json", '{"input": ')).toEqual([400, "bad_request"]);
  expect(await send("text/csv", "a,b")).toEqual([415, "unsupported_media_type"]);
  expect(await send("application/json", "[]")).toEqual([400, "invalid_spec"]);
  expect(await send("application/json", "null")).toEqual([400, "invalid_spec"]);
  // No body, and not a broken one.
  expect(await send("application/json", "")).toEqual([400, "invalid_spec"]);
  const missing = await callApi(api.url, "POST", "/v1/runs");
  expect(missing).toMatchObject({ status: 400, body: { error: { code: "invalid_spec" } } });
});

async function sendText(api: ApiRig, type: string, body: string): Promise<readonly [number, string]> {
  const answer = await fetch(`${api.url}/v1/runs`, {
    method: "POST",
    headers: { "content-type": type },
    body,
  });
  const problem = (await answer.json()) as { error: { code: string; message: string } };
  expect(problem.error.message).toMatch(/\S{3}/);
  return [answer.status, problem.error.code];
}
