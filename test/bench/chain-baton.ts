/**
 * The measured work: runs of five phases over two pools, one reply of 1 KB a phase, 64 runs alive at once, all
 * through one worker process, with a model at the adapter interface that answers at once.
 */
import { type AdapterLookup, capabilitiesOf, NO_USAGE, parseConfig, type RunSpecInput } from "@baton/core";
import { Producer } from "@baton/producer";
import { createLedger, EventHub, openBlockingConnection, openLedgerConnection, PoolQueues } from "@baton/store";
import { ModelWorker } from "@baton/worker";
import { pino } from "pino";
import { until } from "../support/until.ts";
import { noTools, systemIds } from "../support/worker-rig.ts";

export const POOLS = ["bench/a", "bench/b"] as const;
export const PHASES = 5;
export const ALIVE = 64;
const REPLY = "x".repeat(1_024);

export interface ChainOptions {
  readonly url: string;
  readonly runs: number;
}

/** Runs the chains and tells how many phases a second went through. */
export async function batonPhasesPerSecond({ url, runs }: ChainOptions): Promise<number> {
  const onError = (error: Error): never => {
    throw error;
  };
  const config = parseConfig({}, "the benchmark");
  const connection = openLedgerConnection({ url, onError });
  const ledger = createLedger(connection, { retentionMs: 0 });
  const queues = new PoolQueues(connection, onError);
  const hub = new EventHub(openBlockingConnection({ url, onError }));
  const producer = new Producer({ ledger, queues, hub, ids: systemIds });
  const spec: RunSpecInput = {
    input: "go",
    phases: Array.from({ length: PHASES }, (_, index) => ({ model: POOLS[index % 2] ?? POOLS[0] })),
  };
  let submitted = 0;
  const pending: Promise<unknown>[] = [];
  const submitNext = (): void => {
    if (submitted >= runs) return;
    submitted += 1;
    pending.push(producer.submit(spec));
  };
  const adapters: AdapterLookup = (model) => ({
    call: async (request) => {
      // The run's last phase makes room for the next run.
      if (request.items.length >= 2 * PHASES - 1) submitNext();
      return {
        parts: [{ type: "text", text: REPLY }],
        stopReason: "end",
        usage: { ...NO_USAGE, inputTokens: 10, outputTokens: 250 },
        origin: { provider: "bench", api: "openai-chat", model },
      };
    },
  });
  const worker = new ModelWorker({
    ledger,
    connection,
    hub,
    adapters,
    tools: noTools,
    config,
    capabilities: capabilitiesOf(config, []),
    patterns: POOLS,
    concurrency: ALIVE,
    ids: systemIds,
    log: pino({ level: "silent" }),
    identity: { workerId: "bench", host: "bench", pid: process.pid, version: "bench" },
  });
  await worker.start();
  const started = performance.now();
  for (let index = 0; index < ALIVE; index += 1) submitNext();
  await until(async () => (await ledger.count("succeeded")) === runs, { withinMs: 300_000, what: "all runs to succeed" });
  const seconds = (performance.now() - started) / 1_000;
  await Promise.all(pending);
  await worker.stop(0);
  await queues.close();
  await hub.close();
  connection.disconnect();
  return (runs * PHASES) / seconds;
}
