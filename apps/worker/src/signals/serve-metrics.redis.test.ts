import { parseConfig } from "@baton/core";
import { expect, test } from "vitest";
import { useRedis } from "../../../../test/support/redis.ts";
import { systemIds } from "../../../../test/support/worker-rig.ts";
import { openStore } from "../open-store.ts";
import { serveMetrics } from "./serve-metrics.ts";

const redis = useRedis();

test("a worker is not ready while Redis refuses its claims, and says of which pools", async () => {
  const config = parseConfig({}, "the test");
  await using store = await openStore({ url: redis.url, config, ids: systemIds, onError: () => undefined });
  await using metrics = await serveMetrics(store, { host: "127.0.0.1", port: 0 });
  let failing: readonly string[] = [];
  metrics.watch(() => failing);
  const ask = async () => {
    const answer = await fetch(`${metrics.url}/readyz`);
    return `${answer.status} ${await answer.text()}`;
  };
  expect(await ask()).toBe("503 starting\n");
  metrics.is("ready");
  // Redis has a second to answer, which a busy machine may need.
  await expect.poll(ask, { timeout: 30_000 }).toBe("200 ok\n");
  failing = ["openai/gpt"];
  expect(await ask()).toBe("503 redis refuses the claims of openai/gpt: the log says why\n");
});
