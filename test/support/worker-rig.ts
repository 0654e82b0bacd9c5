/** A worker and a producer in this process, on a real Redis, with whatever models and tools a test brings. */
import { randomBytes } from "node:crypto";
import {
  type AdapterLookup,
  type Config,
  type ConfigInput,
  capabilitiesOf,
  type IdSource,
  parseConfig,
  randomPool,
  type ToolHost,
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
import { ModelWorker, type ModelWorkerOptions } from "@baton/worker";
import { pino } from "pino";

export const systemIds: IdSource = { now: () => Date.now(), random: randomPool(randomBytes) };

export interface Rig extends AsyncDisposable {
  readonly ledger: Ledger;
  readonly queues: PoolQueues;
  readonly producer: Producer;
  readonly config: Config;
  /** Starts a worker that is stopped with the rig. */
  startWorker(options: {
    adapters: AdapterLookup;
    patterns: readonly string[];
    tools?: ToolHost;
    concurrency?: number;
    capabilities?: ReadonlySet<string>;
    /** USD of a call; without it, no price is known. */
    price?: ModelWorkerOptions["price"];
    /** Stands between the worker and its ledger. */
    wrap?: (ledger: Ledger) => Ledger;
    signals?: ModelWorkerOptions["signals"];
    /** Of providers' limits; default a minute. */
    limitWindowMs?: number;
  }): Promise<ModelWorker>;
}

export const noTools: ToolHost = {
  list: async () => ({ tools: [], problems: [] }),
  call: async (invocation) => ({
    isError: true,
    content: [{ type: "text", text: `no tool ${invocation.name}` }],
  }),
  close: async () => undefined,
};

/** `shards`: as many as the store has; nobody else says so here. Without a cipher all lies in clear. */
export async function openRig(
  url: string,
  config: ConfigInput = {},
  shards = 1,
  cipher?: Cipher,
): Promise<Rig> {
  const errors: Error[] = [];
  const onError = (error: Error) => errors.push(error);
  const connection = openLedgerConnection({ url, onError });
  const ledger = createLedger(connection, { retentionMs: 0, shards, cipher });
  const queues = new PoolQueues(connection, onError, shards);
  const hub = new EventHub(openBlockingConnection({ url, onError }), shards);
  const parsed = parseConfig(config, "the test's configuration");
  const producer = new Producer({ ledger, queues, hub, ids: systemIds });
  const workers: ModelWorker[] = [];
  let count = 0;
  return {
    ledger,
    queues,
    producer,
    config: parsed,
    async startWorker({
      adapters,
      patterns,
      tools = noTools,
      concurrency = 50,
      capabilities,
      price = () => null,
      wrap = (ledger) => ledger,
      signals,
      limitWindowMs,
    }) {
      const own = openLedgerConnection({ url, onError });
      count += 1;
      const worker = new ModelWorker({
        ledger: wrap(createLedger(own, { retentionMs: 0, shards, cipher })),
        connection: own,
        hub,
        adapters,
        tools,
        price,
        config: parsed,
        capabilities: capabilities ?? capabilitiesOf(parsed, Object.keys(parsed.mcpServers)),
        patterns,
        concurrency,
        ids: systemIds,
        log: pino({ level: process.env.BATON_TEST_LOG ?? "silent" }),
        limitWindowMs,
        signals,
        identity: { workerId: `w${count}`, host: "test", pid: process.pid, version: "test" },
      });
      await worker.start();
      workers.push(worker);
      const stop = worker.stop.bind(worker);
      let stopped: Promise<void> | undefined;
      worker.stop = (deadlineMs) => {
        stopped ??= stop(deadlineMs).then(() => own.disconnect());
        return stopped;
      };
      return worker;
    },
    async [Symbol.asyncDispose]() {
      for (const worker of workers) await worker.stop(0);
      await queues.close();
      await hub.close();
      connection.disconnect();
    },
  };
}
