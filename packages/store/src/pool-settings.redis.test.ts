import { BatonError } from "@baton/core";
import { beforeEach, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { settingsKey, shardKeys } from "./keys.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import { ALPHA, BEAT, BETA } from "./testing/make-run.ts";

const redis = useRedis();
let ledger: Ledger;
beforeEach(() => {
  ledger = createLedger(redis.connect(), { retentionMs: 0 });
});

test("settings are set and cleared one by one, each pool's apart", async () => {
  await ledger.setPool(ALPHA, { concurrency: 3, rpm: 60 });
  await ledger.setPool(BETA, { maxActive: 7, tpm: 100_000 });
  await ledger.setPool(ALPHA, { rpm: null, maxActive: 2 });
  expect(await ledger.poolSettings()).toEqual(
    new Map([
      [ALPHA, { concurrency: 3, maxActive: 2 }],
      [BETA, { maxActive: 7, tpm: 100_000 }],
    ]),
  );
  await ledger.setPool(ALPHA, { concurrency: null, maxActive: null });
  expect((await ledger.poolSettings()).get(ALPHA)).toBeUndefined();
});

test("a beat brings all settings when the worker does not know them, and nothing when it does", async () => {
  expect((await ledger.beat(BEAT, [], "")).settings).toBeUndefined();
  await ledger.setPool(ALPHA, { concurrency: 3 });
  const { settings: first } = await ledger.beat(BEAT, [], "");
  expect(first?.settings).toEqual(new Map([[ALPHA, { concurrency: 3 }]]));
  expect((await ledger.beat(BEAT, [], first?.rev)).settings).toBeUndefined();
  await ledger.setPool(ALPHA, { concurrency: null });
  const { settings: second } = await ledger.beat(BEAT, [], first?.rev);
  expect(second?.settings).toEqual(new Map());
  expect(second?.rev).not.toBe(first?.rev);
});

test("settings that Redis has lost are lost to the workers too", async () => {
  await ledger.setPool(ALPHA, { concurrency: 3 });
  const { settings: known } = await ledger.beat(BEAT, [], "");
  await ledger.redis.del(settingsKey());
  expect((await ledger.beat(BEAT, [], known?.rev)).settings).toEqual({ rev: "", settings: new Map() });
});

test("whoever listens hears of a change at once", async () => {
  const subscriber = redis.connect();
  const heard = Promise.withResolvers<string>();
  subscriber.on("message", heard.resolve);
  await subscriber.subscribe(shardKeys(0).control);
  await ledger.setPool(ALPHA, { concurrency: 3 });
  expect(await heard.promise).toBe(shardKeys(0).control);
});

test("a value that no setting takes is refused, and nothing of it is written", async () => {
  for (const patch of [{ concurrency: 0 }, { rpm: 1.5 }, { concurrency: 3, maxActive: Number.NaN }]) {
    const refused = ledger.setPool(ALPHA, patch);
    await expect(refused).rejects.toThrow(BatonError);
    await expect(refused).rejects.toMatchObject({ code: "invalid_config" });
  }
  expect(await ledger.poolSettings()).toEqual(new Map());
});

test("what a later version has set is left out, and fails no beat", async () => {
  await ledger.setPool(ALPHA, { concurrency: 3 });
  const future = { [`${ALPHA} colour`]: "blue", [`${ALPHA} rpm`]: "many", mode: "x" };
  await ledger.redis.hset(settingsKey(), future);
  expect((await ledger.beat(BEAT, [], "")).settings?.settings).toEqual(
    new Map([[ALPHA, { concurrency: 3 }]]),
  );
});
