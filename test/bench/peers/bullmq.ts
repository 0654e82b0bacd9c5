/**
 * A bare BullMQ chain that stores as much as the others: each step is a job of its own on one of two queues, its result
 * is kept with the job, as BullMQ does by default. There is no conversation: a step does not know the others' results.
 * Choices in its favour: no retries, auto-pipelining, concurrency for all runs that are alive.
 */
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import { ALIVE, argumentAt, driveRounds, PHASES, replyOf } from "./peer-driver.ts";

interface StepData {
  readonly run: string;
  readonly step: number;
}

const connection = new Redis(argumentAt(0), { maxRetriesPerRequest: null, enableAutoPipelining: true });
const queues = ["a", "b"].map((name) => new Queue<StepData, string>(name, { connection }));
const ends = new Map<string, (replies: readonly string[]) => void>();
const stored = new Map<string, string[]>();

async function add(run: string, step: number): Promise<void> {
  await queues[step % 2]?.add("step", { run, step }, { jobId: `${run}-${step}` });
}

const workers = queues.map(({ name }) => {
  const worker = new Worker<StepData, string>(
    name,
    async ({ data: { run, step } }) => {
      if (step < PHASES - 1) await add(run, step + 1);
      return replyOf(run, step);
    },
    { connection, concurrency: ALIVE },
  );
  // Told when the result is stored.
  worker.on("completed", ({ data: { run } }, reply) => {
    const replies = stored.get(run) ?? [];
    stored.set(run, replies);
    replies.push(reply);
    if (replies.length < PHASES) return;
    stored.delete(run);
    ends.get(run)?.(replies);
    ends.delete(run);
  });
  return worker;
});
await Promise.all(workers.map((worker) => worker.waitUntilReady()));
await driveRounds(async (run) => {
  const { promise, resolve } = Promise.withResolvers<readonly string[]>();
  ends.set(run, resolve);
  await add(run, 0);
  return promise;
});
await Promise.all(workers.map((worker) => worker.close()));
await Promise.all(queues.map((queue) => queue.close()));
connection.disconnect();
