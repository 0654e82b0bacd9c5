/**
 * One chaos run from start to end: real workers, a real Redis, real MCP servers and a producer, simulated providers,
 * the faults of the schedule; then all is healed, the runs get the time to end, and what was seen lies in the folder.
 * What it starts it ends, the last first, also when something breaks.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isTerminal, randomPool } from "@baton/core";
import { Producer } from "@baton/producer";
import { type ConnectedStore, connectStore } from "@baton/store";
import { collectRuns, collectTexts } from "./collect.ts";
import { readLines, writeLine } from "./files.ts";
import { inject, type World } from "./inject.ts";
import { Observer } from "./observer.ts";
import { breakAndHeal } from "./planned-faults.ts";
import { prepare, secretsOf } from "./prepare.ts";
import { ProducerSlot } from "./producer-slot.ts";
import { RedisProcess } from "./redis-process.ts";
import { scheduleOf } from "./schedule.ts";
import { Steering } from "./steering.ts";
import { TcpProxy } from "./tcp-proxy.ts";
import { WorkerSlot } from "./worker-slot.ts";

export interface ChaosOptions {
  readonly seed: number;
  readonly runs: number;
  readonly durationMs: number;
  readonly truncates: boolean;
  /** Absolute and empty. */
  readonly folder: string;
  /** Hears now and then how far it is. */
  readonly onProgress: (line: string) => void;
}

/** Two serve one provider's models, two the other's, and each some of the other's. */
const PATTERNS: readonly (readonly string[])[] = [
  ["openai/*"],
  ["openai/*", "anthropic/claude-haiku-4-5"],
  ["anthropic/*"],
  ["anthropic/*", "openai/gpt-5-mini"],
];
const CONCURRENCY = 10;
/** Which part of the time the jobs are spread over. */
const SUBMITTED_BY = 0.95;
const SETTLE_MS_MAX = 90_000;
const LOOK_EVERY_MS = 700;
const QUIET_LOOKS = 3;
const STORE_CLOSE_MS_MAX = 2_000;

export async function runChaos(options: ChaosOptions, signal: AbortSignal): Promise<void> {
  const { seed, folder, durationMs } = options;
  await using ends = new AsyncDisposableStack();
  const redis = ends.use(await RedisProcess.start(join(folder, "data")));
  const store = await connectStore({ url: redis.url, retentionMs: 0, onError: () => undefined });
  // Without a Redis it would wait for one.
  ends.defer(() => Promise.race([store[Symbol.asyncDispose](), delay(STORE_CLOSE_MS_MAX)]));
  const secrets = secretsOf(seed);
  const env = await prepare(folder, secrets, ends);
  const workers = await startWorkers(options, redis, env, ends);
  const ids = { now: () => Date.now(), random: randomPool(randomBytes) };
  const steering = new Steering(new Producer({ ...store, ids }), folder);
  const observer = new Observer(store.connection, folder, (run) => steering.look(run));
  const gapMs = Math.max(1, Math.floor((durationMs * SUBMITTED_BY) / options.runs));
  const producer = new ProducerSlot({ url: redis.url, folder, seed, runs: options.runs, gapMs });
  ends.defer(() => producer.stop());
  const { connection: client, queues } = store;
  const world: World = { seed, folder, workers, redis, client, queues, observer, producer, signal };
  const startedAt = Date.now();
  observer.start();
  producer.start();
  await breakAndHeal({
    ...options,
    faults: scheduleOf({ ...options, workers: workers.length }),
    signal,
    strike: (planned) => inject(planned, world),
    settle: async () => {
      steering.close();
      await Promise.race([producer.finished(), whenAborted(signal)]);
      await settle(world);
      await steering.settled();
    },
    progress: () => progressOf(options, world),
  });
  await observer.stop();
  await Promise.all(workers.map((worker) => worker.stop()));
  await collect(store, folder);
  writeLine(folder, "about", { seed, startedAt, endedAt: Date.now(), secrets: Object.values(secrets) });
}

/** Until every run is terminal, or the time for that is over: what is not by then is judged as lost. */
async function settle({ observer, folder, signal }: World): Promise<void> {
  const deadline = Date.now() + SETTLE_MS_MAX;
  // All are over when they were seen so more than once, with time for a retry between the looks.
  let quiet = 0;
  while (Date.now() < deadline && quiet < QUIET_LOOKS) {
    await delay(LOOK_EVERY_MS, undefined, { signal });
    const isOpen = [...observer.runs.values()].some(({ status }) => !isTerminal(status));
    quiet = isOpen ? 0 : quiet + 1;
  }
  if (quiet === 0) writeLine(folder, "notes", { at: Date.now(), note: "runs were not over in time" });
}

async function startWorkers(
  { folder }: ChaosOptions,
  redis: RedisProcess,
  env: Readonly<Record<string, string | undefined>>,
  ends: AsyncDisposableStack,
): Promise<readonly WorkerSlot[]> {
  const workers = await Promise.all(
    PATTERNS.map(async (patterns, index) => {
      const proxy = await TcpProxy.open(redis.url);
      ends.defer(() => proxy.close());
      const onNote = (note: string): void => writeLine(folder, "notes", { at: Date.now(), note });
      return new WorkerSlot({ index, patterns, concurrency: CONCURRENCY, proxy, folder, env, onNote });
    }),
  );
  ends.defer(async () => {
    await Promise.all(workers.map((worker) => worker.kill()));
  });
  await Promise.all(workers.map((worker) => worker.start()));
  return workers;
}

async function collect({ ledger, connection }: ConnectedStore, folder: string): Promise<void> {
  await collectRuns(ledger, folder);
  await collectTexts(connection, folder);
}

function progressOf({ runs, folder }: ChaosOptions, { observer }: World): string {
  const counts = Map.groupBy(observer.runs.values(), ({ status }) => status);
  const statuses = [...counts].map(([status, some]) => `${some.length} ${status}`).join(", ");
  return `${observer.runs.size} of ${runs} runs (${statuses}), ${readLines(folder, "purchases").length} model calls`;
}

function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
  });
}
