/**
 * The API under fuzz, as a process of its own: real, but for shorter times, smaller bounds of bodies, and answers that are
 * held against their schemas. Argument: JSON of `ApiChildOptions`. On a line `facts N` it says `facts N {…}`: what it
 * holds once it has collected its garbage.
 */
import { readdir, readlink } from "node:fs/promises";
import { createInterface } from "node:readline";
import { setImmediate } from "node:timers/promises";
import { parseConfig } from "@baton/core";
import { Producer } from "@baton/producer";
import { connectStore } from "@baton/store";
import { pino } from "pino";
import { startApi } from "../../apps/api/src/start-api.ts";
import { systemIds } from "../support/worker-rig.ts";

export interface ApiChildOptions {
  readonly redisUrl: string;
  readonly uploadFolder: string;
}

export interface ApiFacts {
  readonly heapBytes: number;
  readonly waiters: number;
  readonly descriptors: number;
  /** Files in the upload folder, and open ones that have no name any more. */
  readonly uploads: number;
  /** What keeps the process going, by type. */
  readonly resources: Readonly<Record<string, number>>;
}

const BODY_BYTES_MAX = 1_048_576;
const BATCH_BYTES_MAX = 262_144;

// Whoever started it gives it these.
const { redisUrl, uploadFolder } = JSON.parse(process.argv[2] ?? "{}") as ApiChildOptions;
const config = parseConfig(
  {
    api: {
      bodyBytesMax: BODY_BYTES_MAX,
      batchBytesMax: BATCH_BYTES_MAX,
      batchUploadsMax: 64,
      chatWaitSeconds: 1,
    },
  },
  "the fuzz",
);
const log = pino({ level: "warn" }, process.stderr);
const onError = (error: Error): void => log.error({ err: error }, "a connection to Redis failed");
const store = await connectStore({ url: redisUrl, retentionMs: 0, onError });
const api = await startApi({
  ...{ store, config, log, uploadFolder },
  service: new Producer({ ...store, ids: systemIds }),
  version: "fuzz",
  now: () => Date.now(),
  host: "127.0.0.1",
  port: 0,
  checkAnswers: true,
  serverBounds: { headersMsMax: 2_000, requestMsMax: 3_000, lookEveryMs: 100 },
});
process.stdout.write(`ready ${api.url}\n`);

for await (const line of createInterface({ input: process.stdin })) {
  const [, number] = /^facts (\d+)$/.exec(line) ?? [];
  if (number !== undefined) process.stdout.write(`facts ${number} ${JSON.stringify(await facts())}\n`);
}
// Whoever started it has closed the input, or is gone.
await api.stop(1_000);
await store[Symbol.asyncDispose]();

async function facts(): Promise<ApiFacts> {
  for (let round = 0; round < 4; round += 1) {
    globalThis.gc?.();
    await setImmediate();
  }
  const open = await readdir("/proc/self/fd");
  const targets = await Promise.all(open.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => "")));
  const named = await readdir(uploadFolder).catch(() => []);
  return {
    heapBytes: process.memoryUsage().heapUsed,
    waiters: store.hub.waiters,
    // Without the one that lists them.
    descriptors: open.length - 1,
    uploads: named.length + targets.filter((target) => target.startsWith(uploadFolder)).length,
    resources: countsOf(process.getActiveResourcesInfo()),
  };
}

function countsOf(names: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
