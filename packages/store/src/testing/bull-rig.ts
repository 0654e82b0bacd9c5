/**
 * BullMQ queues and workers for a test, on connections of their own, as the worker package sets them up. Disposing
 * it closes them all; errors that nobody expected are thrown then.
 */
import type { ModelId } from "@baton/core";
import { type Processor, Worker } from "bullmq";
import { Redis } from "ioredis";
import { queueNameOf, shardKeys } from "../keys.ts";
import { type PhaseJobData, PoolQueues } from "../pool-queues.ts";

export interface BullRig extends AsyncDisposable {
  readonly queues: PoolQueues;
  /** Starts a worker of the pool; a processor that throws is an error of the test unless BullMQ asked for it. */
  work(pool: ModelId, processor: Processor<PhaseJobData>): void;
}

export function openBull(url: string, makeQueues = makePoolQueues): BullRig {
  const errors: Error[] = [];
  const onError = (error: Error) => errors.push(error);
  const connections: Redis[] = [];
  const connect = (): Redis => {
    const connection = new Redis(url, { maxRetriesPerRequest: null });
    connections.push(connection);
    return connection;
  };
  const queues = makeQueues(connect(), onError);
  const workers: Worker<PhaseJobData>[] = [];
  return {
    queues,
    work(pool, processor) {
      const worker = new Worker<PhaseJobData>(queueNameOf(pool), processor, {
        connection: connect(),
        prefix: shardKeys(0).bullmqPrefix,
        concurrency: 300,
        lockDuration: 4_000,
        stalledInterval: 1_000,
        maxStalledCount: Number.MAX_SAFE_INTEGER,
        removeOnComplete: { count: 0 },
        removeOnFail: { count: 0 },
      });
      worker.on("error", onError);
      worker.on("failed", (_job, error) => onError(error));
      workers.push(worker);
    },
    async [Symbol.asyncDispose]() {
      // A processor that never ends would be waited for without the `true`.
      await Promise.all(workers.map((worker) => worker.close(true)));
      await queues.close();
      for (const connection of connections) connection.disconnect();
      const [error] = errors.filter(({ message }) => !message.includes("Connection is closed"));
      if (error !== undefined) throw error;
    },
  };
}

function makePoolQueues(connection: Redis, onError: (error: Error) => void): PoolQueues {
  return new PoolQueues(connection, onError);
}
