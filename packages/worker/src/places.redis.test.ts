/** The places of real workers on a real Redis: how many phases are at work, whose they are, and what goes elsewhere. */
import { jobIdOf, type ModelId, modelIdSchema } from "@baton/core";
import { type PhaseJobData, queueNameOf, shardKeys } from "@baton/store";
import { Worker } from "bullmq";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { until } from "../../../test/support/until.ts";
import { type Flow, openFlow } from "./testing/flow-rig.ts";
import { gatedModels } from "./testing/gated-models.ts";
import { claude, gpt } from "./testing/log.ts";

const redis = useRedis();
const grok = modelIdSchema.parse("xai/grok");
const neverUsed = () => Promise.reject(new Error("these tests gate their own models"));

const submit = (flow: Flow, model: ModelId, priority?: number) =>
  flow.producer.submit({ input: "go", model, ...(priority === undefined ? {} : { priority }) });
async function submitMany(flow: Flow, counts: Readonly<Record<ModelId, number>>) {
  const models = Object.entries(counts).flatMap(([model, count]) =>
    Array<ModelId>(count).fill(modelIdSchema.parse(model)),
  );
  return Promise.all(models.map((model) => submit(flow, model)));
}
const allEnd = (flow: Flow, runs: readonly { readonly runId: Parameters<Flow["ended"]>[0] }[]) =>
  Promise.all(runs.map(({ runId }) => flow.ended(runId)));

test("the pools of a process share its places: never more phases at work, and each pool has its turn", async () => {
  await using flow = await openFlow(redis.url, neverUsed);
  const models = gatedModels();
  await flow.startWorker({ adapters: models.adapters, concurrency: 3 });
  const runs = await submitMany(flow, { [gpt]: 12 });
  // A pool without work takes no place from one that has.
  await models.reach(3, gpt);
  runs.push(...(await submitMany(flow, { [claude]: 12 })));
  await until(async () => (await flow.rig.queues.countsOf(claude)).active === 0, {
    what: "claude's jobs to wait",
  });
  for (let turn = 0; turn < 6; turn += 1) {
    const before = models.begun.length;
    models.end(1);
    await until(() => models.begun.length > before, { what: "the next phase" });
  }
  // The first turns may be those of the pool that was there alone; then they go in turn.
  const turns = models.begun.slice(3);
  expect(turns.filter((model) => model === claude).length).toBeGreaterThanOrEqual(2);
  expect(turns.filter((model) => model === gpt).length).toBeGreaterThanOrEqual(2);
  models.flow(5);
  await allEnd(flow, runs);
  expect(models.most()).toBe(3);
});

test("a cap of the configuration bounds one pool; the other places are for the rest", async () => {
  await using flow = await openFlow(redis.url, neverUsed, { models: { [gpt]: { concurrency: 1 } } });
  const models = gatedModels();
  await flow.startWorker({ adapters: models.adapters, concurrency: 3 });
  const runs = await submitMany(flow, { [gpt]: 4 });
  await models.reach(1);
  runs.push(...(await submitMany(flow, { [claude]: 4 })));
  await models.reach(3);
  expect(models.atWork().filter((model) => model === gpt)).toHaveLength(1);
  models.end(1, gpt);
  await until(() => models.begun.filter((model) => model === gpt).length === 2, {
    what: "the next of the capped",
  });
  expect(models.atWork().filter((model) => model === gpt)).toHaveLength(1);
  models.flow(1);
  await allEnd(flow, runs);
  expect(models.most()).toBe(3);
});

test("a pool is given more and fewer places while its phases run, without a restart", async () => {
  await using flow = await openFlow(redis.url, neverUsed, { models: { [gpt]: { concurrency: 2 } } });
  const models = gatedModels();
  await flow.startWorker({ adapters: models.adapters, concurrency: 5 });
  await flow.rig.ledger.setPool(gpt, { concurrency: 1 });
  const runs = await submitMany(flow, { [gpt]: 8 });
  await models.reach(1);
  await flow.rig.ledger.setPool(gpt, { concurrency: 3 });
  await models.reach(3);
  await flow.rig.ledger.setPool(gpt, { concurrency: 1 });
  await until(async () => (await capsOf(flow))[gpt] === 1, { what: "the worker to hear of its cap" });
  // What is at work goes on to its end, and nothing follows it.
  models.end(2);
  await models.reach(1);
  expect(models.begun).toHaveLength(3);
  models.end(1);
  await until(() => models.begun.length === 4, { what: "the next one alone" });
  await flow.rig.ledger.setPool(gpt, { concurrency: null });
  await models.reach(2);
  models.flow(1);
  await allEnd(flow, runs);
  expect(models.most()).toBe(3);
});

/** What the one worker says of its caps, which it does at its beat. */
async function capsOf(flow: Flow): Promise<Readonly<Record<string, number>>> {
  const [beat = ""] = Object.values(await flow.rig.ledger.redis.hgetall(shardKeys(0).workers));
  return JSON.parse(beat.slice(beat.indexOf(" "))).caps;
}

test("maxActive bounds a pool over all processes, and is raised and taken away live", async () => {
  await using flow = await openFlow(redis.url, neverUsed);
  const models = gatedModels();
  await flow.rig.ledger.setPool(gpt, { maxActive: 2 });
  for (let count = 0; count < 2; count += 1) {
    await flow.startWorker({ adapters: models.adapters, concurrency: 5, patterns: [gpt, claude] });
  }
  const runs = await submitMany(flow, { [gpt]: 14, [claude]: 3 });
  await models.reach(3, claude);
  await models.reach(2, gpt);
  for (let turn = 0; turn < 4; turn += 1) {
    const before = models.begun.length;
    models.end(1, gpt);
    await until(() => models.begun.length > before, { what: "the next phase" });
    expect(models.atWork().filter((model) => model === gpt).length).toBeLessThanOrEqual(2);
  }
  await flow.rig.ledger.setPool(gpt, { maxActive: 4 });
  await models.reach(4, gpt);
  await flow.rig.ledger.setPool(gpt, { maxActive: null });
  await models.reach(7, gpt);
  models.flow(1);
  await allEnd(flow, runs);
});

/** Takes the only job of a pool as a worker does that dies with it: its lock is never renewed. */
async function dieWith(pool: ModelId): Promise<void> {
  const doomed = new Worker<PhaseJobData>(queueNameOf(pool), null, {
    connection: redis.connect(),
    prefix: shardKeys(0).bullmqPrefix,
    lockDuration: 500,
  });
  doomed.on("error", () => undefined);
  await until(() => doomed.getNextJob("doomed", { block: false }), { what: `a job of ${pool}` });
  await doomed.close(true);
}

test.each(["full", "held"] as const)(
  "a process that is %s gives the jobs of a dead one back",
  async (state) => {
    await using flow = await openFlow(redis.url, neverUsed);
    const models = gatedModels();
    await submit(flow, claude);
    await dieWith(claude);
    if (state === "held") await flow.rig.ledger.hold(claude, { kind: "paused" });
    await flow.startWorker({ adapters: models.adapters, concurrency: 1, patterns: [gpt] });
    await submit(flow, gpt);
    await models.reach(1, gpt);
    const patterns = state === "held" ? [gpt, claude] : [claude];
    const other = state === "held" ? models : gatedModels();
    const full = await flow.startWorker({
      adapters: other.adapters,
      concurrency: 1,
      patterns: [...patterns, grok],
    });
    if (state === "full") {
      await submit(flow, grok);
      await other.reach(1, grok);
    }
    await until(
      async () => {
        const { active, waiting, prioritized } = await flow.rig.queues.countsOf(claude);
        return active === 0 && waiting + prioritized === 1;
      },
      { what: "the job of the dead process to wait again" },
    );
    expect(full.active).toBe(state === "full" ? 1 : 0);
  },
);

test.each([
  ["a plain job", claude, undefined],
  ["a prioritized job", grok, 7],
] as const)(
  "%s that a full process was woken for is taken by another one at once",
  async (_, pool, priority) => {
    await using flow = await openFlow(redis.url, neverUsed);
    const [busy, idle] = [gatedModels(), gatedModels()];
    await flow.startWorker({ adapters: busy.adapters, concurrency: 1, patterns: [gpt, pool] });
    await submit(flow, gpt);
    await busy.reach(1, gpt);
    await blocked(1, pool);
    await flow.startWorker({ adapters: idle.adapters, concurrency: 1, patterns: [pool] });
    await blocked(2, pool);
    // Redis wakes the one that waits for longest, which is the busy one.
    const submittedAt = performance.now();
    const { runId } = await submit(flow, pool, priority);
    await idle.reach(1, pool);
    const ms = performance.now() - submittedAt;
    const job = await flow.rig.queues.queueOf(pool).getJob(jobIdOf(runId, 1));
    expect(job?.attemptsStarted).toBe(2);
    // A wake-up that is lost costs a blocking read, 4 s. It takes some 10 ms where the machine is quiet.
    expect(ms).toBeLessThan(1_000);
    expect(busy.begun).toEqual([gpt]);
  },
);

/** Waits until so many fetchers of the pool wait for its jobs. */
async function blocked(count: number, pool: ModelId): Promise<void> {
  const admin = redis.connect();
  const waiting = async (): Promise<number> => {
    const clients = String(await admin.client("LIST")).split("\n");
    return clients.filter((client) => client.includes(" cmd=bzpopmin ") && / flags=\w*b/.test(client)).length;
  };
  // The busy one serves another pool, whose fetcher waits for a place and not for a job.
  await until(async () => (await waiting()) === count, { what: `${count} waiting fetchers of ${pool}` });
}

test("a phase of a bounded pool that ends in one process makes room for another, also when none tells it", async () => {
  await using flow = await openFlow(redis.url, neverUsed);
  const [first, second] = [gatedModels(), gatedModels()];
  await flow.rig.ledger.setPool(gpt, { maxActive: 1 });
  await flow.startWorker({ adapters: first.adapters, concurrency: 1, patterns: [gpt, claude] });
  for (let round = 0; round < 3; round += 1) {
    const runs = await submitMany(flow, { [gpt]: 1 });
    await first.reach(1, gpt);
    const waiting = await submit(flow, claude);
    runs.push(waiting, ...(await submitMany(flow, { [gpt]: 3 })));
    const other = await flow.startWorker({ adapters: second.adapters, concurrency: 1, patterns: [gpt] });
    await triedHere(flow, waiting.runId);
    // At the second phase at the latest the place goes to claude, so that nothing more of the bounded pool is taken here.
    while (!first.atWork().includes(claude)) {
      const before = first.begun.length;
      first.end(1, gpt);
      await until(() => first.begun.length > before, { what: "the next phase" });
    }
    const since = performance.now();
    await second.reach(1, gpt);
    expect(performance.now() - since).toBeLessThan(2_000);
    first.flow(0);
    second.flow(0);
    await allEnd(flow, runs);
    first.gate();
    second.gate();
    await other.stop(0);
  }
}, 40_000);

/** Waits until the job of a run was fetched by a process without a place, and given back. */
async function triedHere(flow: Flow, runId: Parameters<Flow["ended"]>[0]): Promise<void> {
  const queue = flow.rig.queues.queueOf(claude);
  await until(async () => (await queue.getJob(jobIdOf(runId, 1)))?.attemptsStarted === 1, {
    what: "a fetch",
  });
  await until(async () => (await flow.rig.queues.countsOf(claude)).active === 0, { what: "its return" });
}
