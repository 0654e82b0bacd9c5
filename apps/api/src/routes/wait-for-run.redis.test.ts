/** `?wait=N` of a client that leaves. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { useRedis } from "../../../../test/support/redis.ts";
import { until } from "../../../../test/support/until.ts";
import { type ApiRig, openApiRig } from "../testing/api-rig.ts";

const redis = useRedis();
let api: ApiRig;
beforeAll(async () => {
  // Nobody works at the runs here, so they are waited for until somebody leaves.
  api = await openApiRig(redis.url, { patterns: ["openai/served"] });
});
afterAll(async () => api[Symbol.asyncDispose]());

test.each([
  ["submits a run", "POST"],
  ["asks for a run", "GET"],
])("nobody waits any more for a client that %s and leaves", async (_name, method) => {
  const spec = { input: "hi", model: "openai/unserved" };
  const { body } = await api.call("POST", "/v1/runs", spec);
  const idle = api.store.hub.waiters;
  const client = new AbortController();
  const [path, init] =
    method === "GET"
      ? [`/v1/runs/${body.id}?wait=60`, {}]
      : ["/v1/runs?wait=60", { body: JSON.stringify(spec), headers: { "content-type": "application/json" } }];
  const answer = fetch(`${api.url}${path}`, { ...init, method, signal: client.signal });
  await until(() => api.store.hub.waiters > idle, { what: "the API to wait for the run" });
  client.abort();
  await expect(answer).rejects.toThrow();
  await until(() => api.store.hub.waiters === idle, { what: "the API to wait no more" });
});
