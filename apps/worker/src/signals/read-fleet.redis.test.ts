import { modelIdSchema, parseConfig, runSpecSchema } from "@baton/core";
import { expect, test } from "vitest";
import { freshRedis, useRedis } from "../../../../test/support/redis.ts";
import { systemIds } from "../../../../test/support/worker-rig.ts";
import { openStore } from "../open-store.ts";
import { createMetrics } from "./metrics.ts";
import { createFleetReader } from "./read-fleet.ts";

const redis = useRedis();
const config = parseConfig({}, "the test");
const GPT = modelIdSchema.parse("openai/gpt");
const ignore = (): void => undefined;

const commandsOf = async (client: ReturnType<typeof redis.connect>): Promise<number> =>
  Number(/total_commands_processed:(\d+)/.exec(await client.info("stats"))?.[1]);

test("ten scrapers within a second cost as much as one, and the next second is read anew", async () => {
  await using store = await openStore({ url: redis.url, config, ids: systemIds, onError: ignore });
  const watcher = redis.connect();
  await store.producer.submit({ input: "hi", model: "openai/gpt" });
  let now = 0;
  const fleet = createFleetReader(store, () => now);
  const first = await fleet.read();
  expect(first?.pools.get(GPT)?.load.prioritized).toBe(1);
  expect(first?.runs.get("queued")).toBe(1);

  await store.producer.submit({ input: "hi again", model: "openai/gpt" });
  const before = await commandsOf(watcher);
  now = 999;
  const ten = await Promise.all(Array.from({ length: 10 }, () => fleet.read()));
  // The look at the count is the one command.
  expect((await commandsOf(watcher)) - before).toBe(1);
  for (const one of ten) expect(one).toBe(first);
  now = 1_000;
  const anew = await Promise.all([fleet.read(), fleet.read()]);
  expect(anew[0]).toBe(anew[1]);
  expect(anew[0]?.runs.get("queued")).toBe(2);
});

test("runs of a batch whose time has not come are told apart from those that wait for their admission", async () => {
  await using server = await freshRedis();
  await using store = await openStore({ url: server.url, config, ids: systemIds, onError: ignore });
  const lines = async function* () {
    for (const [at, runAt] of [undefined, undefined, "2999-01-01T00:00:00Z"].entries()) {
      const spec = runSpecSchema.parse({ input: "hi", model: GPT, run_at: runAt });
      yield { kind: "run", line: at + 1, customId: `c${at}`, spec } as const;
    }
  };
  await store.producer.submitBatch(lines(), { id: "b" }, new AbortController().signal);
  const text = await createMetrics({ store }).text();
  expect(text).toContain('baton_backlog_runs{pool="openai/gpt",state="admission"} 2');
  expect(text).toContain('baton_backlog_runs{pool="openai/gpt",state="later"} 1');
});

test("a Redis that is away makes no scrape wait for long: the process tells its own, and that the store is down", async () => {
  await using server = await freshRedis();
  await using store = await openStore({ url: server.url, config, ids: systemIds, onError: ignore });
  const metrics = createMetrics({ store });
  expect(await metrics.text()).toMatch(/^baton_store_up 1$/m);
  expect(await metrics.text()).toMatch(/^baton_workers 0$/m);
  process.kill(server.pid, "SIGSTOP");
  try {
    // The last values are kept for a second.
    await expect.poll(() => metrics.text(), { timeout: 10_000 }).toMatch(/^baton_store_up 0$/m);
    const text = await metrics.text();
    expect(text).not.toMatch(/^baton_workers \d/m);
    expect(text).toMatch(/^process_cpu_seconds_total /m);
  } finally {
    process.kill(server.pid, "SIGCONT");
  }
  await expect.poll(() => metrics.text(), { timeout: 10_000 }).toMatch(/^baton_store_up 1$/m);
});
