/** What a page of runs asks of Redis: about the same, whatever it is a page of and how much stands before it. */
import { newRunId, type RunId } from "@baton/core";
import { createLedger, runKeys, shardKeys } from "@baton/store";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { createQueued, newOp, systemIds } from "../../store/src/testing/make-run.ts";
import { pageRuns, type RunPageQuery } from "./page-runs.ts";

const redis = useRedis();
const PAGE = 200;
const NEWER = 5_000;

const idAt = (at: number): RunId => newRunId(0, { ...systemIds, now: () => at });
const indexesOf = [shardKeys(0).status, `${shardKeys(0).batchPrefix}b:runs`, "{baton}:space:n:runs"];

test("a page of queued runs, and of those at work, costs what one of ended runs does, behind 5,000 others", async () => {
  const client = redis.connect({ enableAutoPipelining: true });
  const ledger = createLedger(client, { retentionMs: 60_000 });
  const make = async (from: number): Promise<readonly RunId[]> => {
    const place = { batch: { id: "b", customId: "c" }, namespace: "n" };
    const ids = Array.from({ length: PAGE + 1 }, (_, nth) => idAt(from + nth));
    await Promise.all(ids.map((id) => createQueued(ledger, { id, ...place })));
    return ids.toReversed();
  };
  const [queued, cancelled, running] = [await make(1_000), await make(2_000), await make(90_000)];
  await Promise.all(cancelled.map((id) => ledger.cancel(id, newOp())));
  await Promise.all(running.map((id) => client.hset(runKeys(id).run, "status", "running")));
  const newer = Array.from({ length: NEWER }, (_, nth) => idAt(10_000 + nth));
  for (const index of indexesOf) await client.zadd(index, ...newer.flatMap((id) => ["0", `live/${id}`]));
  await client.zadd(shardKeys(0).running, ...[...newer, ...running].flatMap((id) => ["1", id]));

  const commands = async (): Promise<number> =>
    Number(/total_commands_processed:(\d+)/.exec(await client.info("stats"))?.[1]);
  const costOf = async (query: Omit<RunPageQuery, "limit">, expected: readonly RunId[]): Promise<number> => {
    const before = await commands();
    const { runs, cursor } = await pageRuns(ledger, { ...query, limit: PAGE });
    const cost = (await commands()) - before;
    expect(runs.map(({ id }) => id)).toEqual(expected.slice(0, PAGE));
    expect(cursor).toBeDefined();
    return cost;
  };
  for (const whose of [{}, { batch: "b" }, { namespace: "n" }]) {
    const ended = await costOf({ ...whose, status: "cancelled" }, cancelled);
    expect((await costOf({ ...whose, status: "queued" }, queued)) / ended).toBeLessThan(1.1);
    expect((await costOf({ ...whose, status: "running" }, running)) / ended).toBeLessThan(1.1);
  }
});
