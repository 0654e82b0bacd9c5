import { modelIdSchema, newRunId, parseRunSpec } from "@baton/core";
import { readHealth } from "@baton/store";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { until } from "../../../test/support/until.ts";
import { openRig, systemIds } from "../../../test/support/worker-rig.ts";

const redis = useRedis();
const POOL = modelIdSchema.parse("sim/nobody");
const nobody = () => {
  throw new Error("no model is called here");
};

test("of several workers one reconciles; when it stops, another one goes on at its next turn, and heals", async () => {
  await using rig = await openRig(redis.url);
  const start = () => rig.startWorker({ adapters: nobody, patterns: ["none/*"] });
  const workers = [await start(), await start()];
  const leader = async () => (await readHealth(rig.ledger.redis)).leader?.id;
  const first = await until(leader, { what: "a leader" });
  const lastPass = async () => (await readHealth(rig.ledger.redis)).lastPass?.at ?? 0;
  const before = await until(lastPass, { what: "a pass" });
  await until(async () => (await lastPass()) > before, { what: "another pass" });
  expect(await leader()).toBe(first);

  await workers[first === "w1" ? 0 : 1]?.stop(0);
  const next = await until(leader, { what: "the next leader", withinMs: 2_500 });
  expect([first, next].toSorted()).toEqual(["w1", "w2"]);
  // A run whose job was lost: nothing tells of it but the ledger.
  const id = newRunId(0, systemIds);
  const spec = parseRunSpec({ input: "go", model: POOL });
  const entry = { id, spec, items: [], pool: POOL, needs: [], delayMs: 0, timeoutMs: 0 };
  await rig.ledger.create(entry);
  const healed = await until(async () => (await readHealth(rig.ledger.redis)).latest[0], {
    what: "the heal",
    withinMs: 6_000,
  });
  expect(healed).toMatchObject({ what: "entry_missing", runId: id, pool: POOL });
  expect(await rig.queues.stateOf({ runId: id, ticket: 2, pool: POOL })).toBe("present");
});
