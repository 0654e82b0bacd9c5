/**
 * A feeder on real queues, and a worker that is told when to begin the next run, so that who begins when depends on
 * nothing but what the feeder admits.
 */
import { type ModelId, newBatchRunId, type RunId, runIdSchema } from "@baton/core";
import { Worker } from "bullmq";
import type { CreateRun } from "../create-run.ts";
import { Feeder, type FeedReport } from "../feeder.ts";
import { queueNameOf, shardKeys } from "../keys.ts";
import type { Ledger } from "../ledger.ts";
import { type PhaseJobData, PoolQueues } from "../pool-queues.ts";
import type { RedisClient } from "../redis-client.ts";
import { ALPHA, claimed, commitOf, createQueued, systemIds } from "./make-run.ts";

export const PLACES = 4;
export const WINDOW = 2 * PLACES;
/** What a run without a batch is called among those that began. */
export const SINGLE = "single";

export interface FeederRig extends AsyncDisposable {
  readonly queues: PoolQueues;
  feed(): Promise<FeedReport>;
  /** Looks at everything, as once a minute. */
  feedAll(): Promise<FeedReport>;
  /** Runs of a batch that wait for their admission, in their order. */
  submitBatch(id: string, count: number, more?: Partial<CreateRun>): Promise<readonly RunId[]>;
  /** Runs that go straight into the queue. */
  submitSingles(count: number, more?: Partial<CreateRun>): Promise<void>;
  /** Feeds, and lets the next run begin and end; its batch, or undefined when none stands in the queue. */
  begin(): Promise<string | undefined>;
  /** Lets so many runs begin, one after another. */
  beginMany(count: number): Promise<readonly string[]>;
}

export function openFeeder(connect: () => RedisClient, ledger: Ledger, pool: ModelId = ALPHA): FeederRig {
  const queues = new PoolQueues(connect(), () => undefined);
  const feeder = new Feeder({ ledger, queues, shard: 0, shards: 1, placesOf: async () => PLACES });
  const worker = new Worker<PhaseJobData>(queueNameOf(pool), null, {
    connection: connect(),
    prefix: shardKeys(0).bullmqPrefix,
    autorun: false,
  });
  let now = 0;
  let line = 0;
  const at = systemIds.now();
  const passAfter = (ms: number) => {
    now += ms;
    return feeder.pass(now);
  };

  // As slow as real phases are, so that the window is what the places ask for.
  const feed = () => passAfter(1_000);

  async function begin(): Promise<string | undefined> {
    await feed();
    const job = await worker.getNextJob("token", { block: false });
    if (job === undefined) return undefined;
    const runId = runIdSchema.parse(job.data.runId);
    const { claim, batch, items } = await claimed(ledger, { runId, ticket: job.data.ticket, pool });
    await ledger.commit(claim, commitOf(items.length, { kind: "succeeded" }));
    await job.moveToCompleted(undefined, "token", false);
    return batch?.id ?? SINGLE;
  }

  return {
    queues,
    feed,
    feedAll: () => passAfter(60_000),
    async submitBatch(id, count, more = {}) {
      const first = line;
      line += count;
      const entries = await Promise.all(
        Array.from({ length: count }, (_, place) =>
          createQueued(ledger, {
            id: newBatchRunId(0, { at, line: first + place }, systemIds),
            batch: { id, customId: `line-${first + place}` },
            admit: true,
            ...more,
          }),
        ),
      );
      return entries.map((entry) => entry.runId);
    },
    async submitSingles(count, more = {}) {
      const entries = await Promise.all(Array.from({ length: count }, () => createQueued(ledger, more)));
      for (const entry of entries) await queues.enqueue(entry, { progress: "new" });
    },
    begin,
    async beginMany(count) {
      const begun: string[] = [];
      for (let place = 0; place < count; place += 1) {
        const one = await begin();
        if (one === undefined) throw new Error(`nothing stands in the queue after ${place} runs`);
        begun.push(one);
      }
      return begun;
    },
    async [Symbol.asyncDispose]() {
      await worker.close();
      await queues.close();
    },
  };
}

/** How many of them are of one batch. */
export function countOf(begun: readonly string[], batch: string): number {
  return begun.filter((one) => one === batch).length;
}
