/** A run that is sealed with a key that is not given here, or damaged, hides no other run, wherever runs are listed. */
import { type Run, runIdSchema } from "@baton/core";
import { createLedger, type Ledger, runKeys } from "@baton/store";
import { beforeEach, describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import {
  claimed,
  commitOf,
  createQueued,
  itemAt,
  running,
  specOf,
} from "../../store/src/testing/make-run.ts";
import { testCipher } from "../../store/src/testing/test-cipher.ts";
import { batchErrors, batchResults } from "./batch/batch-results.ts";
import { pageRuns, type RunPageQuery, selectRuns } from "./page-runs.ts";

const redis = useRedis();
let older: Ledger;
let ledger: Ledger;
beforeEach(() => {
  const connection = redis.connect({ enableAutoPipelining: true });
  const ledgerOf = (key: string) =>
    createLedger(connection, { retentionMs: 60_000, cipher: testCipher(key) });
  older = ledgerOf("k1");
  ledger = ledgerOf("k2");
});

const metadata = { team: "a" };

/** Fails with the same words under the key of `by`. */
async function failed(by: Ledger): Promise<string> {
  const { claim } = await running(by, { spec: specOf({ metadata }) });
  await by.commit(claim, commitOf(1, { kind: "failed", code: "refusal", message: "no, not that" }));
  return claim.runId;
}

test("a list has the run without what it cannot read, and says which key is missing", async () => {
  const [sealed, own] = [await failed(older), await failed(ledger)];
  const ownFirst = (runs: readonly Run[]) => runs.toSorted(({ id }) => (id === own ? -1 : 1));
  const expected = [
    { id: own, metadata, error: { code: "refusal", message: "no, not that" } },
    { id: sealed, error: { code: "refusal", message: expect.stringContaining("the key k1") } },
  ];
  const runs = ownFirst((await pageRuns(ledger, { status: "failed", limit: 10 })).runs);
  expect(runs).toMatchObject(expected);
  expect(runs[1]).not.toHaveProperty("metadata");
  const selected: Run[] = [];
  const pages = { page: (query: RunPageQuery) => pageRuns(ledger, query) };
  for await (const run of selectRuns(pages, { status: "failed", error: "refusal" })) selected.push(run);
  expect(ownFirst(selected)).toMatchObject(expected);
  expect((await pageRuns(ledger, { metadata, limit: 10 })).runs).toMatchObject([{ id: own }]);
});

test("a list has a run that waits, without the sentence of its wait", async () => {
  const { claim } = await claimed(older, await createQueued(older));
  await older.commit(claim, commitOf(1, { kind: "wait", reason: "approval", detail: "a word on send" }));
  const { runs } = await pageRuns(ledger, { limit: 10 });
  const detail = expect.stringContaining("the key k1");
  expect(runs).toMatchObject([{ id: claim.runId, status: "waiting", reason: "approval", detail }]);
});

/** What may lie in Redis of a run when something went wrong there. */
const DAMAGES = {
  "a record of another type": async (id: string) => {
    await ledger.redis.del(keysOf(id).run);
    await ledger.redis.set(keysOf(id).run, "x");
  },
  "a status that there is not": (id: string) => ledger.redis.hset(keysOf(id).run, "status", "dozing"),
  "phases that are none": (id: string) => ledger.redis.rpush(keysOf(id).phases, "[1, 2]"),
  "a spec that is none": (id: string) => ledger.redis.set(keysOf(id).spec, "{"),
};
const keysOf = (id: string) => runKeys(runIdSchema.parse(id));

test.each(Object.entries(DAMAGES))(
  "a list leaves out a run with %s, and has the others",
  async (_, damage) => {
    const ids = [await failed(ledger), await failed(ledger), await failed(ledger)];
    await damage(ids[1] ?? "");
    for (const query of [{}, { status: "failed" as const }, { metadata }]) {
      const { runs, cursor } = await pageRuns(ledger, { ...query, limit: 10 });
      expect(runs.map(({ id }) => id).sort()).toEqual([ids[0], ids[2]].sort());
      expect(cursor).toBeUndefined();
    }
  },
);

describe("the results of a batch", () => {
  const signal = new AbortController().signal;
  const batch = (customId: string) => ({ batch: { id: "nightly", customId } });
  const sorted = <Line extends { readonly custom_id?: string }>(lines: readonly Line[]) =>
    lines.toSorted((a, b) => (a.custom_id ?? "").localeCompare(b.custom_id ?? ""));
  const missing = { code: "encryption_key_missing", message: expect.stringContaining("the key k1") };

  test.each(["input", "finished"] as const)(
    "go on behind a run that cannot be read, which says so (order %s)",
    async (order) => {
      await ledger.openBatch({ id: "nightly" });
      const sealed = await running(older, batch("a"));
      await older.commit(sealed.claim, commitOf(1, { kind: "succeeded" }, [itemAt(1, "hidden")]));
      // A run from before the key was taken away that was answered with the other one.
      const mixed = await running(ledger, batch("b"));
      await older.append(mixed.claim, { length: 1, items: [itemAt(1, "hidden")], events: [] });
      await ledger.commit(mixed.claim, commitOf(2, { kind: "succeeded" }, [itemAt(2, "half")]));
      const own = await running(ledger, batch("c"));
      await ledger.commit(own.claim, commitOf(1, { kind: "succeeded" }, [itemAt(1, "shown")]));
      // Those that were made, or ended, in the same millisecond come in any order.
      const results = sorted(await Array.fromAsync(batchResults(ledger, "nightly", { order }, signal)));
      expect(results).toMatchObject([
        { custom_id: "a", status: "succeeded", final_output: null, error: missing },
        { custom_id: "b", status: "succeeded", final_output: null, error: missing },
        { custom_id: "c", status: "succeeded", final_output: "shown" },
      ]);
      expect(results[2]).not.toHaveProperty("error");
    },
  );

  test("and its errors, too", async () => {
    await ledger.openBatch({ id: "nightly" });
    for (const by of [older, ledger]) {
      const { claim } = await running(by, batch(by === older ? "a" : "b"));
      await by.commit(claim, commitOf(1, { kind: "failed", code: "refusal", message: "no, not that" }));
    }
    expect(sorted(await Array.fromAsync(batchErrors(ledger, "nightly", {}, signal)))).toMatchObject([
      { custom_id: "a", error: { code: "refusal", message: missing.message } },
      { custom_id: "b", error: { code: "refusal", message: "no, not that" } },
    ]);
  });

  test.each(Object.entries(DAMAGES))("leave out a run with %s, and have the others", async (_, damage) => {
    await ledger.openBatch({ id: "nightly" });
    for (const name of ["a", "b", "c"]) {
      const { claim } = await running(ledger, batch(name));
      await ledger.commit(claim, commitOf(1, { kind: "succeeded" }, [itemAt(1, "shown")]));
      if (name === "b") await damage(claim.runId);
    }
    for (const order of ["input", "finished"] as const) {
      const lines = sorted(await Array.fromAsync(batchResults(ledger, "nightly", { order }, signal)));
      expect(lines.map(({ custom_id }) => custom_id)).toEqual(["a", "c"]);
    }
  });

  test("say of a run whose conversation is damaged that it cannot be read", async () => {
    await ledger.openBatch({ id: "nightly" });
    for (const name of ["a", "b"]) {
      const { claim } = await running(ledger, batch(name));
      await ledger.commit(claim, commitOf(1, { kind: "succeeded" }, [itemAt(1, "shown")]));
      if (name === "a") await ledger.redis.lset(keysOf(claim.runId).log, 1, "{");
    }
    expect(sorted(await Array.fromAsync(batchResults(ledger, "nightly", {}, signal)))).toMatchObject([
      { custom_id: "a", final_output: null, error: { code: "store_corrupt" } },
      { custom_id: "b", final_output: "shown" },
    ]);
  });
});
