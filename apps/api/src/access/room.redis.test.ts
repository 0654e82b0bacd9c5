/** The bound of live runs over several API processes: each of these has its own connections and knows nothing of the others. */
import { parseRunSpec } from "@baton/core";
import { Producer } from "@baton/producer";
import { type ConnectedStore, connectStore } from "@baton/store";
import { afterEach, beforeEach, expect, test } from "vitest";
import { spaceRoomKey } from "../../../../packages/store/src/spaces.ts";
import { freshRedis } from "../../../../test/support/redis.ts";
import { until } from "../../../../test/support/until.ts";
import { systemIds } from "../../../../test/support/worker-rig.ts";
import { boundedRuns } from "./bounded-runs.ts";
import { scopedRuns } from "./scoped-runs.ts";
import { Turns } from "./turns.ts";

const SHARDS = 3;
const spec = parseRunSpec({ input: "hi", model: "openai/gpt-5.2" });
let redis: Awaited<ReturnType<typeof freshRedis>>;
let stores: ConnectedStore[];
beforeEach(async () => {
  redis = await freshRedis();
  stores = [];
  for (let count = 0; count < 3; count += 1) {
    stores.push(
      await connectStore({ url: redis.url, retentionMs: 0, shards: SHARDS, onError: () => undefined }),
    );
  }
});
afterEach(async () => {
  await Promise.all(stores.map((store) => store[Symbol.asyncDispose]()));
  await redis[Symbol.asyncDispose]();
});

/** What three API processes make of one key. */
function services(maxLive: number, own: Partial<ConnectedStore["ledger"]> = {}) {
  const principal = { namespace: "acme", scopes: new Set<never>(), bounds: { maxLive } };
  return stores.map((store) =>
    boundedRuns(
      scopedRuns(new Producer({ ...store, ids: systemIds }), principal),
      principal,
      { ...store.ledger, ...own },
      new Turns(),
    ),
  );
}

/** The most live runs that anybody saw, looking all the time. */
function watchLive(ledger: ConnectedStore["ledger"]) {
  const done = new AbortController();
  const most = (async () => {
    let seen = 0;
    while (!done.signal.aborted) seen = Math.max(seen, await ledger.countLive("acme"));
    return seen;
  })();
  return () => {
    done.abort();
    return most;
  };
}

async function* lines(count: number, prefix = "c") {
  for (let line = 1; line <= count; line += 1)
    yield { kind: "run" as const, line, customId: `${prefix}${line}`, spec };
}

const codeOf = (error: unknown): string => String((error as { readonly code?: unknown }).code);
const inTime = () => AbortSignal.timeout(30_000);

test("many submissions at once are never more than the bound, as many get in as fit, and again when some end", async () => {
  const MAX = 15;
  const [first, ...others] = stores as [ConnectedStore, ...ConnectedStore[]];
  const mostLive = watchLive(first.ledger);
  for (let round = 1; round <= 3; round += 1) {
    const said = await Promise.all(
      services(MAX).flatMap((runs) =>
        Array.from({ length: 40 }, () => runs.submit(spec).then(({ runId }) => runId, codeOf)),
      ),
    );
    const made = said.filter((one) => one.startsWith("r_"));
    expect(made, `round ${round}`).toHaveLength(MAX);
    expect(said.filter((one) => one === "rate_limited")).toHaveLength(120 - MAX);
    expect(await first.ledger.countLive("acme")).toBe(MAX);
    const producer = new Producer({ ...(others[0] ?? first), ids: systemIds });
    for (const id of made) await producer.cancel(id as Parameters<typeof producer.cancel>[0]);
  }
  expect(await mostLive()).toBeLessThanOrEqual(MAX);
}, 60_000);

test("batches and single runs that come at once keep to it together, and batches are in whole or not at all", async () => {
  const MAX = 700;
  const mostLive = watchLive((stores[0] as ConnectedStore).ledger);
  const [one, two, three] = services(MAX) as [RunServiceOf, RunServiceOf, RunServiceOf];
  const said = await Promise.all([
    one
      .submitBatch(lines(400), { id: "one", lineCount: 400 }, inTime())
      .then(({ created }) => created, codeOf),
    two
      .submitBatch(lines(400), { id: "two", lineCount: 400 }, inTime())
      .then(({ created }) => created, codeOf),
    ...Array.from({ length: 40 }, () => three.submit(spec).then(() => 1, codeOf)),
  ]);
  // One of the batches fits, whichever it is, and all of the single runs.
  expect(said.slice(0, 2).toSorted()).toEqual([400, "rate_limited"]);
  expect(said.slice(2)).toEqual(Array(40).fill(1));
  expect(await mostLive()).toBe(440);
  const refused = said[0] === 400 ? "two" : "one";
  await expect(three.batchStatus(refused)).rejects.toMatchObject({ code: "not_found" });
  // While the second batch goes in, what it has made already is not counted twice.
  const [batch, ...singles] = await Promise.all([
    one.submitBatch(lines(250, "d"), { id: "three", lineCount: 250 }, inTime()),
    ...Array.from({ length: 10 }, () => two.submit(spec).then(() => 1, codeOf)),
  ]);
  expect([batch.created, ...singles]).toEqual([250, ...Array(10).fill(1)]);
  expect(await one.submit(spec).catch(codeOf)).toBe("rate_limited");
}, 60_000);

type RunServiceOf = ReturnType<typeof services>[number];

test("what a process that was killed had set aside holds others up for as long as its lease, and no longer", async () => {
  const { ledger } = stores[0] as ConnectedStore;
  await ledger.askRoom({ namespace: "acme", holder: "killed", runs: 5 });
  const [runs] = services(5) as [RunServiceOf];
  // Not known to be in or out for some seconds, and then refused: all who wait, and none of them behind another.
  const said = await Promise.all(Array.from({ length: 20 }, () => runs.submit(spec).catch(codeOf)));
  expect(said).toEqual(Array(20).fill("rate_limited"));
  const key = spaceRoomKey("acme");
  expect(await ledger.redis.hkeys(key)).toEqual(["last", "killed"]);
  await ledger.redis.hset(key, "killed", `1 5 ${Date.now()}`);
  expect(await runs.submit(spec)).toMatchObject({ created: true });
}, 20_000);

test.each(["a run", "a batch"] as const)(
  "%s that comes later than its room was kept for is not made, looks for room anew, and gives up at last",
  async (what) => {
    const { ledger } = stores[0] as ConnectedStore;
    let isSlow = true;
    // What a process knows of its room when it stood still behind asking for it.
    const aged = async <Held extends { readonly until: number } | undefined>(held: Promise<Held>) => {
      const found = await held;
      return found && isSlow ? { ...found, until: Date.now() - 1 } : found;
    };
    const askRoom = async (ask: Parameters<typeof ledger.askRoom>[0]) => aged(ledger.askRoom(ask));
    const keepRoom = async (keep: Parameters<typeof ledger.keepRoom>[0]) => aged(ledger.keepRoom(keep));
    const [runs] = services(3, { askRoom, keepRoom } as Partial<ConnectedStore["ledger"]>) as [RunServiceOf];
    const submit = () =>
      what === "a run" ? runs.submit(spec) : runs.submitBatch(lines(3), { id: "b", lineCount: 3 }, inTime());
    expect(await submit().catch(codeOf)).toBe("redis_unreachable");
    expect(await ledger.countLive("acme")).toBe(0);
    await until(async () => (await ledger.redis.hkeys(spaceRoomKey("acme"))).length === 1, {
      what: "no room to be set aside",
    });
    const made = submit();
    isSlow = false;
    expect(await made).toMatchObject(what === "a run" ? { created: true } : { created: 3 });
  },
);

test("a batch whose room was given away finds room anew for what is left of it, or stops", async () => {
  const { ledger } = stores[0] as ConnectedStore;
  const [one, two] = services(40) as [RunServiceOf, RunServiceOf];
  async function* losing() {
    let count = 0;
    for await (const line of lines(30)) {
      count += 1;
      if (count === 11) {
        await until(async () => (await ledger.countLive("acme")) === 10, { what: "ten runs" });
        await ledger.redis.del(spaceRoomKey("acme"));
        // Longer than what is set aside is believed in.
        const lostAt = performance.now();
        await until(() => performance.now() - lostAt > 400, { what: "the next look" });
      }
      yield line;
    }
  }
  expect(await one.submitBatch(losing(), { id: "b", lineCount: 30, atOnceMax: 1 }, inTime())).toMatchObject({
    created: 30,
  });
  expect(await ledger.redis.hkeys(spaceRoomKey("acme"))).toEqual(["last"]);
  for (let count = 0; count < 10; count += 1) await two.submit(spec);
  expect(await two.submit(spec).catch(codeOf)).toBe("rate_limited");
});
