/**
 * A producer process of the crash tests: submits one run, and is killed between the creation of the run and its
 * job. Options: `--url`, `--key` the idempotency key, `--spec` as JSON.
 */
import { parseArgs } from "node:util";
import { Producer } from "@baton/producer";
import {
  createLedger,
  EventHub,
  openBlockingConnection,
  openLedgerConnection,
  PoolQueues,
  type QueueEntry,
} from "@baton/store";
import { systemIds } from "../support/worker-rig.ts";

const { values } = parseArgs({
  options: { url: { type: "string" }, key: { type: "string" }, spec: { type: "string" } },
});
const { url, key, spec } = values;
if (url === undefined || key === undefined || spec === undefined) throw new Error("options are missing");

const onError = (error: Error): void => {
  throw error;
};
const connection = openLedgerConnection({ url, onError });
const producer = new Producer({
  ledger: createLedger(connection, { retentionMs: 0 }),
  queues: Object.assign(new PoolQueues(connection, onError), {
    enqueue: async ({ runId }: QueueEntry) => {
      // One write, which is with the reader before the process ends.
      process.stdout.write(`created ${runId}\n`, () => process.kill(process.pid, "SIGKILL"));
      return new Promise<void>(() => undefined);
    },
  }),
  hub: new EventHub(openBlockingConnection({ url, onError })),
  ids: systemIds,
});
await producer.submit(JSON.parse(spec), { idempotencyKey: key });
