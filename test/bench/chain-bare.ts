/** The yardstick: a bare BullMQ chain of the same shape, whose steps store nothing and just add the next. */
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import { until } from "../support/until.ts";
import { ALIVE, type ChainOptions, PHASES } from "./chain-baton.ts";

interface StepData {
  readonly run: number;
  readonly step: number;
}

/** Runs the chains with so many workers a queue, and tells how many steps a second went through. */
export async function barePhasesPerSecond({ url, runs }: ChainOptions, fetchers = 1): Promise<number> {
  const connection = new Redis(url, { maxRetriesPerRequest: null, enableAutoPipelining: true });
  const prefix = "{bare}:q";
  const names = ["a", "b"];
  const queues = names.map(
    (name) => new Queue<StepData>(name, { connection, prefix, skipMetasUpdate: true }),
  );
  let submitted = 0;
  let finished = 0;
  const add = async (run: number, step: number): Promise<void> => {
    await queues[step % 2]?.add(
      "step",
      { run, step },
      { jobId: `r${run}-${step}`, attempts: 1, removeOnComplete: true, removeOnFail: true },
    );
  };
  const submitNext = async (): Promise<void> => {
    if (submitted >= runs) return;
    submitted += 1;
    await add(submitted, 0);
  };
  const workers = names.flatMap((name) =>
    Array.from(
      { length: fetchers },
      () =>
        new Worker<StepData>(
          name,
          async (job) => {
            const { run, step } = job.data;
            if (step < PHASES - 1) {
              await add(run, step + 1);
              return;
            }
            finished += 1;
            await submitNext();
          },
          {
            connection,
            prefix,
            concurrency: Math.ceil(ALIVE / fetchers),
            removeOnComplete: { count: 0 },
            removeOnFail: { count: 0 },
            skipLockRenewal: true,
          },
        ),
    ),
  );
  await Promise.all(workers.map((worker) => worker.waitUntilReady()));
  const started = performance.now();
  await Promise.all(Array.from({ length: ALIVE }, submitNext));
  await until(async () => finished === runs, { withinMs: 300_000, what: "all chains to end" });
  const seconds = (performance.now() - started) / 1_000;
  await Promise.all(workers.map((worker) => worker.close()));
  await Promise.all(queues.map((queue) => queue.close()));
  connection.disconnect();
  return (runs * PHASES) / seconds;
}
