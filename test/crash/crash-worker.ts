/**
 * A worker process of the crash tests: the real worker on a real Redis, with scripted models. It writes what it
 * does to the journal, and ends itself where a run tells it to. SIGTERM drains it.
 * Options: `--url`, `--folder` of the journal, `--drain` in milliseconds, `--concurrency`; with `--kill-when-woken` it
 * ends when the first job is announced to it.
 */
import { hostname } from "node:os";
import { parseArgs } from "node:util";
import { capabilitiesOf, parseConfig } from "@baton/core";
import { createLedger, EventHub, openBlockingConnection, openLedgerConnection } from "@baton/store";
import { createToolHost } from "@baton/tools";
import { ModelWorker } from "@baton/worker";
import { pino } from "pino";
import { systemIds } from "../support/worker-rig.ts";
import { CrashSwitch } from "./crash-switch.ts";
import { Journal } from "./journal.ts";
import { POOLS, toolsOf } from "./work.ts";

const { values } = parseArgs({
  options: {
    url: { type: "string" },
    folder: { type: "string" },
    drain: { type: "string", default: "5000" },
    "kill-when-woken": { type: "boolean", default: false },
    concurrency: { type: "string", default: "50" },
  },
});
const { url, folder, drain } = values;
if (url === undefined || folder === undefined) throw new Error("--url and --folder are needed");

const log = pino({ level: process.env.BATON_TEST_LOG ?? "silent" }, pino.destination(2));
const onError = (error: Error): void => log.warn({ err: error }, "connection error");
const crash = new CrashSwitch(new Journal(folder));
crash.queues();
const config = parseConfig({ tools: [...toolsOf(crash.onTool)] }, "the crash tests' configuration");
const tools = createToolHost({
  functions: config.tools,
  servers: {},
  env: {},
  allowPrivateAddresses: false,
  limits: config.limits,
});
// One connection for ledger and queues, as the worker app has it.
const connection = openLedgerConnection({ url, onError });
if (values["kill-when-woken"]) crash.whenWoken(connection);
const hub = new EventHub(openBlockingConnection({ url, onError }));
const worker = new ModelWorker({
  ledger: crash.ledger(createLedger(connection, { retentionMs: 0 })),
  connection,
  hub,
  adapters: crash.adapters,
  price: () => null,
  tools,
  config,
  capabilities: capabilitiesOf(config, []),
  patterns: POOLS,
  concurrency: Number(values.concurrency),
  ids: systemIds,
  log,
  identity: { workerId: `crash-${process.pid}`, host: hostname(), pid: process.pid, version: "test" },
});
await worker.start();

process.once("SIGTERM", () => {
  void worker.stop(Number(drain)).then(async () => {
    await tools.close();
    await hub.close();
    connection.disconnect();
  });
});
process.stdout.write("ready\n");
