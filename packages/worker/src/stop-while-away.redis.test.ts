/** Stopping a worker while a part of the store does not answer. */
import type { RedisClient } from "@baton/store";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { until } from "../../../test/support/until.ts";
import { openFlow } from "./testing/flow-rig.ts";
import { gatedModels } from "./testing/gated-models.ts";
import { gpt } from "./testing/log.ts";

const redis = useRedis();

/** A client whose commands are never answered once it is away. */
function canGoAway(client: RedisClient) {
  const state = { isAway: false, unanswered: 0 };
  const proxy = new Proxy(client, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        if (!state.isAway) return Reflect.apply(value, target, args);
        state.unanswered += 1;
        return new Promise(() => undefined);
      };
    },
  });
  return { proxy, state };
}

test("a worker whose chores hang takes no more work at the signal, hands back what is at work at its deadline, and stops", async () => {
  await using flow = await openFlow(redis.url, () => Promise.reject(new Error("its models are gated")));
  const models = gatedModels();
  let away: ReturnType<typeof canGoAway> | undefined;
  const worker = await flow.startWorker({
    adapters: models.adapters,
    patterns: [gpt],
    concurrency: 2,
    // The chores go by this client; the phases have one that answers, as if they were in another shard.
    wrap: (ledger) => {
      away = canGoAway(ledger.redis);
      return { ...ledger, redis: away.proxy };
    },
  });
  const submit = () => flow.producer.submit({ input: "go", model: gpt });
  await submit();
  await models.reach(1);
  if (away === undefined) throw new Error("the ledger was not wrapped");
  const { state } = away;
  state.isAway = true;
  await until(() => state.unanswered > 0, { what: "a chore that hangs" });
  const stopping = worker.stop(300);
  await submit();
  await until(() => models.atWork().length === 0, { what: "the hand-back", withinMs: 2_500 });
  await stopping;
  expect(models.begun).toHaveLength(1);
  const { waiting, prioritized, active } = await flow.rig.queues.countsOf(gpt);
  expect(waiting + prioritized + active).toBe(2);
}, 30_000);
