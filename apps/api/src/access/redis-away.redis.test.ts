import { expect, test } from "vitest";
import { freshRedis } from "../../../../test/support/redis.ts";
import { until } from "../../../../test/support/until.ts";
import { makeKnownKey } from "../testing/api-keys.ts";
import { openApiRig } from "../testing/api-rig.ts";

test("while Redis goes away and comes back, a key with limits gets no 500, and is known afterwards", async () => {
  await using redis = await freshRedis();
  await using api = await openApiRig(redis.url);
  const bounded = await makeKnownKey(api, { rpm: 100_000, maxLive: 1_000, budget: { tokens: 1_000_000 } });
  const spec = { input: "hi", model: "openai/gpt-5.2" };
  const statuses = new Set<number>();
  const submit = async (): Promise<number> => {
    const { status, headers } = await api.call("POST", "/v1/runs", spec, bounded.headers);
    statuses.add(status);
    if (status === 503) expect(headers.get("retry-after")).not.toBeNull();
    return status;
  };
  await until(async () => (await submit()) === 202, { what: "the API to be there" });
  process.kill(redis.pid, "SIGKILL");
  await until(async () => (await submit()) === 503, { what: "the API to see it" });
  for (let count = 0; count < 20; count += 1) await submit();
  await redis.restart();
  await until(async () => (await submit()) === 202, { what: "the API to be back", withinMs: 20_000 });
  expect([...statuses].toSorted()).toEqual([202, 503]);
});
