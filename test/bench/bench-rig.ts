/** One worker process's parts for the benchmarks, with a model at the adapter interface. */
import {
  type AdapterLookup,
  capabilitiesOf,
  type ModelAdapter,
  type ModelReply,
  type ModelRequest,
  NO_USAGE,
  parseConfig,
} from "@baton/core";
import { Producer } from "@baton/producer";
import {
  type Cipher,
  createLedger,
  EventHub,
  type Ledger,
  openBlockingConnection,
  openLedgerConnection,
  PoolQueues,
} from "@baton/store";
import { ModelWorker } from "@baton/worker";
import { pino } from "pino";
import { noTools, systemIds } from "../support/worker-rig.ts";

export const POOLS = ["bench/a", "bench/b"] as const;

export interface BenchRig extends AsyncDisposable {
  readonly ledger: Ledger;
  readonly producer: Producer;
}

export interface BenchRigOptions {
  readonly url: string;
  /** Phases at once, in all pools together. */
  readonly concurrency: number;
  /** The model: it answers as an adapter does. */
  readonly call: (
    request: ModelRequest,
    onDelta: Parameters<ModelAdapter["call"]>[1],
    signal: AbortSignal,
  ) => ModelReply | Promise<ModelReply>;
  readonly pools?: readonly string[];
  readonly cipher?: Cipher | undefined;
}

/** Starts a worker of the pools, and a producer, in this process. */
export async function openBenchRig(options: BenchRigOptions): Promise<BenchRig> {
  const { url, concurrency, call, pools = POOLS, cipher } = options;
  const onError = (error: Error): never => {
    throw error;
  };
  const config = parseConfig({ limits: { maxTurns: 1_000 } }, "the benchmark");
  const connection = openLedgerConnection({ url, onError });
  const ledger = createLedger(connection, { retentionMs: 0, cipher });
  const queues = new PoolQueues(connection, onError);
  const hub = new EventHub(openBlockingConnection({ url, onError }));
  const adapters: AdapterLookup = () => ({ call: async (...given) => call(...given) });
  const worker = new ModelWorker({
    ledger,
    connection,
    hub,
    adapters,
    price: () => null,
    tools: noTools,
    config,
    capabilities: capabilitiesOf(config, []),
    patterns: pools,
    concurrency,
    ids: systemIds,
    log: pino({ level: "silent" }),
    identity: { workerId: "bench", host: "bench", pid: process.pid, version: "bench" },
  });
  await worker.start();
  return {
    ledger,
    producer: new Producer({ ledger, queues, hub, ids: systemIds }),
    async [Symbol.asyncDispose]() {
      await worker.stop(0);
      await queues.close();
      await hub.close();
      connection.disconnect();
    },
  };
}

export interface Submitter extends AsyncDisposable {
  readonly producer: Producer;
  readonly ledger: Ledger;
}

/** A producer alone. */
export async function openSubmitter(url: string): Promise<Submitter> {
  const onError = (error: Error): never => {
    throw error;
  };
  const connection = openLedgerConnection({ url, onError });
  const ledger = createLedger(connection, { retentionMs: 0 });
  const queues = new PoolQueues(connection, onError);
  const hub = new EventHub(openBlockingConnection({ url, onError }));
  return {
    ledger,
    producer: new Producer({ ledger, queues, hub, ids: systemIds }),
    async [Symbol.asyncDispose]() {
      await queues.close();
      await hub.close();
      connection.disconnect();
    },
  };
}

/** A text reply of a model. */
export function textReply(request: ModelRequest, text: string): ModelReply {
  return {
    parts: [{ type: "text", text }],
    stopReason: "end",
    usage: { ...NO_USAGE, inputTokens: 10, outputTokens: 250 },
    origin: { provider: "bench", api: "openai-chat", model: request.model },
  };
}
