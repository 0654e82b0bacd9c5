/** The processes of a load: a Redis, the API as people start it, a worker, and a key. */
import { fileURLToPath } from "node:url";
import { openApiKeys } from "@baton/store";
import { Redis } from "ioredis";
import { cpuTimeMs } from "../bench/cpu-time.ts";
import { ApiProcess } from "../support/api-process.ts";
import { startScript } from "../support/processes.ts";
import { freshRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";
import { systemIds } from "../support/worker-rig.ts";
import type { WorkerProcessOptions } from "./worker-process.ts";

export interface LoadRig extends AsyncDisposable {
  readonly url: string;
  readonly key: string;
  /** Processor time so far, in milliseconds, by process. */
  cpuMs(): Promise<Readonly<Record<string, number>>>;
  /** Waits until no run is left to be worked at. */
  idle(): Promise<void>;
}

const READY_MS_MAX = 60_000;
const IDLE_MS_MAX = 60_000;
const CONCURRENCY = 100;

export async function openLoadRig(latencyMs: number): Promise<LoadRig> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await freshRedis());
  const redis = stack.adopt(new Redis(server.url), (client) => client.disconnect());
  const keys = openApiKeys(redis, systemIds);
  // Made before the API starts, so that it asks for keys from the first request on.
  const { text: key } = await keys.create({ name: "load", scopes: ["read", "submit"] });
  const api = stack.use(await ApiProcess.start(server.url));
  const options: WorkerProcessOptions = {
    ...{ redisUrl: server.url, latencyMs, concurrency: CONCURRENCY, patterns: ["openai/*"] },
  };
  const worker = stack.use(
    await startScript(fileURLToPath(new URL("worker-process.ts", import.meta.url)), {
      args: [JSON.stringify(options)],
    }),
  );
  await worker.line(/^ready$/, READY_MS_MAX);
  const owned = stack.move();
  return {
    ...{ url: api.url, key },
    async cpuMs() {
      const { user, system } = process.cpuUsage();
      const pids = { API: api.process.pid, worker: worker.pid, Redis: server.pid };
      const times = Object.entries(pids).map(async ([name, pid]) => [name, await cpuTimeMs([pid])] as const);
      return { ...Object.fromEntries(await Promise.all(times)), "this generator": (user + system) / 1_000 };
    },
    async idle() {
      await until(async () => (await redis.zcard("{baton}:live")) === 0, {
        what: "the last run to end",
        withinMs: IDLE_MS_MAX,
      });
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}
