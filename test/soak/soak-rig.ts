/** A worker whose models hand over and answer at once, and a count of the runs that ended. */
import { type AdapterLookup, capabilitiesOf, NO_USAGE, parseConfig } from "@baton/core";
import { Producer } from "@baton/producer";
import {
  createLedger,
  EventHub,
  openBlockingConnection,
  openLedgerConnection,
  PoolQueues,
  shardKeys,
} from "@baton/store";
import { ModelWorker } from "@baton/worker";
import { Redis } from "ioredis";
import { pino } from "pino";
import { call, text } from "../support/scripted-model.ts";
import { noTools, systemIds } from "../support/worker-rig.ts";

export interface SoakRig extends AsyncDisposable {
  readonly producer: Producer;
  /** Runs that ended so far. */
  ended(): number;
}

export async function openSoakRig(url: string, retentionMs: number): Promise<SoakRig> {
  const onError = (error: Error): never => {
    throw error;
  };
  const config = parseConfig({}, "the soak");
  const connection = openLedgerConnection({ url, onError });
  const ledger = createLedger(connection, { retentionMs });
  const queues = new PoolQueues(connection, onError);
  const hub = new EventHub(openBlockingConnection({ url, onError }));
  const worker = new ModelWorker({
    ledger,
    connection,
    hub,
    adapters,
    price: () => 0.001,
    tools: noTools,
    config,
    capabilities: capabilitiesOf(config, []),
    patterns: ["soak/*"],
    concurrency: 64,
    ids: systemIds,
    log: pino({ level: "silent" }),
    identity: { workerId: "soak", host: "soak", pid: process.pid, version: "soak" },
  });
  await worker.start();
  const feed = new Redis(url, { maxRetriesPerRequest: null });
  let ended = 0;
  const counting = count(feed, (more) => {
    ended += more;
  });
  return {
    producer: new Producer({ ledger, queues, hub, ids: systemIds }),
    ended: () => ended,
    async [Symbol.asyncDispose]() {
      feed.disconnect();
      await counting;
      await worker.stop(0);
      await queues.close();
      await hub.close();
      connection.disconnect();
    },
  };
}

/** Follows the feed of status changes until its connection is closed. */
async function count(feed: Redis, onEnded: (more: number) => void): Promise<void> {
  let last = "0-0";
  for (;;) {
    const reply = await feed
      .xread("COUNT", 5_000, "BLOCK", 1_000, "STREAMS", shardKeys(0).feed, last)
      .catch(() => "closed" as const);
    if (reply === "closed") return;
    const entries = reply?.[0]?.[1] ?? [];
    onEnded(entries.filter(([, fields]) => fields.includes("succeeded")).length);
    last = entries.at(-1)?.[0] ?? last;
  }
}

const adapters: AdapterLookup = (model) => ({
  async call(request) {
    const transfer = request.tools.find((tool) => tool.name.startsWith("transfer_to_soak_b"));
    const parts =
      transfer === undefined
        ? [text("a text ".repeat(100))]
        : [call(transfer.name, { reason: "r", brief: "b" })];
    return {
      parts,
      stopReason: transfer === undefined ? "end" : "tool_use",
      usage: { ...NO_USAGE, inputTokens: 10, outputTokens: 5 },
      origin: { provider: "soak", api: "openai-chat", model },
    };
  },
});
