/** What keys promise, those that encrypt and those of the API, on a real Redis Cluster of several shards. */
import { parseRunSpec, type RunId } from "@baton/core";
import { Producer } from "@baton/producer";
import { connectStore, readStoreKeys } from "@baton/store";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { boundedRuns } from "../../apps/api/src/access/bounded-runs.ts";
import { scopedRuns } from "../../apps/api/src/access/scoped-runs.ts";
import { Turns } from "../../apps/api/src/access/turns.ts";
import { testCipher } from "../../packages/store/src/testing/test-cipher.ts";
import { contentsOf } from "../support/redis-contents.ts";
import { scriptedModels } from "../support/scripted-model.ts";
import { until } from "../support/until.ts";
import { openRig, type Rig, systemIds } from "../support/worker-rig.ts";
import { type RedisCluster, startCluster } from "./redis-cluster.ts";
import { expectDone, FIRST, PATTERNS, relay, SECOND, spread, submit } from "./relay.ts";

/** They lie on all three primaries. */
const SHARDS = 4;
const inTime = () => AbortSignal.timeout(40_000);

let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await startCluster();
});
beforeEach(async () => {
  for (const { client } of await cluster.primaries()) await client.flushall();
});
afterAll(() => cluster[Symbol.asyncDispose]());

const open = (...keys: [string, ...string[]]) =>
  connectStore({
    url: cluster.url,
    retentionMs: 0,
    onError: () => undefined,
    shards: SHARDS,
    cipher: testCipher(...keys),
  });

/** What all primaries hold, as text. */
async function held(): Promise<string> {
  const parts: string[] = [];
  for (const { client } of await cluster.primaries()) parts.push(...(await contentsOf(client)).values());
  return parts.join("\n");
}

async function work(rig: Rig): Promise<void> {
  await rig.startWorker({ adapters: scriptedModels(relay).adapters, patterns: PATTERNS });
}

test("with encryption runs pass over all primaries, through a change of keys, and no word of them is there", async () => {
  const batch = (line: number) => ({ batch: { id: "b", customId: `l${line}`, admit: true } });
  const named = { idempotencyKey: "same" };
  let before: readonly RunId[];
  const paused: RunId[] = [];
  let sameId: RunId;
  {
    await using store = await open("k1");
    expect(store.shards).toBe(SHARDS);
    await using rig = await openRig(cluster.url, {}, SHARDS, testCipher("k1"));
    // These wait from the time of the first key to that of the second.
    for (let line = 0; line < 12; line += 1) {
      const id = await submit(rig, `marigold ${line}`);
      await rig.producer.pause(id);
      paused.push(id);
    }
    await work(rig);
    before = await Promise.all(
      Array.from({ length: 40 }, (_, line) => submit(rig, "hollyhock", line % 2 === 0 ? {} : batch(line))),
    );
    sameId = await submit(rig, "foxglove", named);
    await expectDone(rig, [...before, sameId], inTime());
    expect(Math.min(...spread(before, SHARDS))).toBeGreaterThan(2);
  }
  // Everybody is given the new key first, and then seals with it.
  await (await open("k1", "k2"))[Symbol.asyncDispose]();
  await using store = await open("k2", "k1");
  await using rig = await openRig(cluster.url, {}, SHARDS, testCipher("k2", "k1"));
  expect((await readStoreKeys(store.connection)).map(({ id }) => id).toSorted()).toEqual(["k1", "k2"]);
  await expect(open("k1")).rejects.toMatchObject({ code: "encryption_key_missing" });
  await work(rig);
  for (const id of paused) await rig.producer.resume(id);
  const after = await Promise.all(Array.from({ length: 20 }, () => submit(rig, "larkspur")));
  await expectDone(rig, [...paused, ...after, ...before], inTime());
  expect(await submit(rig, "foxglove", named)).toBe(sameId);
  await expect(submit(rig, "another body", named)).rejects.toMatchObject({ code: "conflict" });
  const [first] = paused;
  if (first === undefined) throw new Error("none waited");
  expect((await rig.producer.resultNow(first)).final_output).toBe("done: marigold 0");
  expect((await rig.ledger.batch("b")).tokens).toBe(20 * 2 * 15);
  const all = await held();
  for (const word of ["marigold", "hollyhock", "foxglove", "larkspur", "another body", "done:", "go on"])
    expect(all, word).not.toContain(word);
  expect(all).toContain("~1.k1.");
  expect(all).toContain("~1.k2.");
  // What each key wrote is gone without it, and nothing else is.
  const only = await openRig(cluster.url, {}, SHARDS, testCipher("k2"));
  await expect(only.producer.resultNow(first)).rejects.toMatchObject({ code: "encryption_key_missing" });
  const [last] = after;
  if (last === undefined) throw new Error("none came after");
  expect((await only.producer.resultNow(last)).final_output).toBe("done: larkspur");
  await only[Symbol.asyncDispose]();
}, 90_000);

test("a bound of live runs holds over all primaries, for three processes at once", async () => {
  const MAX = 20;
  const principal = { namespace: "acme", scopes: new Set<never>(), bounds: { maxLive: MAX } };
  await using stores = new AsyncDisposableStack();
  const services = [];
  for (let count = 0; count < 3; count += 1) {
    const store = stores.use(await open("k1"));
    const producer = new Producer({ ...store, ids: systemIds });
    services.push(boundedRuns(scopedRuns(producer, principal), principal, store.ledger, new Turns()));
  }
  const spec = parseRunSpec({ input: "hi", model: [FIRST, SECOND] });
  const said = await Promise.all(
    services.flatMap((runs) =>
      Array.from({ length: 30 }, () =>
        runs.submit(spec).then(
          ({ runId }) => runId,
          (error: unknown) => String((error as { readonly code?: unknown }).code),
        ),
      ),
    ),
  );
  const made = said.filter((one) => one.startsWith("r_")) as RunId[];
  expect(made).toHaveLength(MAX);
  expect(said.filter((one) => one === "rate_limited")).toHaveLength(90 - MAX);
  expect(spread(made, SHARDS).filter((count) => count > 0).length).toBeGreaterThan(1);
  await using rig = await openRig(cluster.url, {}, SHARDS, testCipher("k1"));
  await work(rig);
  await until(async () => (await rig.ledger.countLive("acme")) === 0, { what: "the end of all" });
}, 60_000);
