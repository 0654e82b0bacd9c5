/** A run that is claimed and cannot be read must come to an end that says so, and not go round for ever. */
import { runIdSchema } from "@baton/core";
import { type Ledger, runKeys } from "@baton/store";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { text } from "../../../test/support/scripted-model.ts";
import { openFlow } from "./testing/flow-rig.ts";

const redis = useRedis();
const keysOf = (id: string) => runKeys(runIdSchema.parse(id));

const DAMAGES: Readonly<Record<string, (redis: Ledger["redis"], id: string) => Promise<unknown>>> = {
  "an item of a newer version": (redis, id) => redis.lset(keysOf(id).log, 0, '{"v":2,"seq":0}'),
  "a conversation that is no list": (redis, id) =>
    redis.multi().del(keysOf(id).log).set(keysOf(id).log, "x").exec(),
  "no conversation": (redis, id) => redis.del(keysOf(id).log),
  "a spec that is none": (redis, id) => redis.set(keysOf(id).spec, "{"),
  "a spec that is no text": (redis, id) =>
    redis.multi().del(keysOf(id).spec).rpush(keysOf(id).spec, "x").exec(),
};

test.each(Object.entries(DAMAGES))(
  "a run with %s fails at its first claim, as damaged",
  async (_, damage) => {
    await using flow = await openFlow(redis.url, () => ({ parts: [text("done")] }));
    const { ledger } = flow.rig;
    const { runId } = await flow.producer.submit({ input: "?", model: "openai/gpt" });
    await damage(ledger.redis, runId);
    await flow.startWorker();
    await expect
      .poll(() => ledger.redis.hmget(keysOf(runId).run, "status", "error_code", "attempts", "takeovers"), {
        timeout: 30_000,
      })
      .toEqual(["failed", "store_corrupt", "1", "0"]);
  },
  60_000,
);
