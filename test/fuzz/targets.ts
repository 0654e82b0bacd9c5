/** The processes of a fuzz: a Redis, the API, a worker. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type NewApiKeyGrant, openApiKeys } from "@baton/store";
import { Redis } from "ioredis";
import type { WorkerProcessOptions } from "../load/worker-process.ts";
import { type ScriptProcess, startScript } from "../support/processes.ts";
import { freshRedis } from "../support/redis.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { systemIds } from "../support/worker-rig.ts";
import type { ApiChildOptions, ApiFacts } from "./api-child.ts";

export interface Targets extends AsyncDisposable {
  readonly redisUrl: string;
  readonly redis: Redis;
  readonly url: string;
  readonly port: number;
  readonly api: ScriptProcess;
  facts(): Promise<ApiFacts>;
  /** The text of a new API key that may do everything, in a namespace of its own unless it says otherwise. */
  makeKey(name: string, grant?: Partial<NewApiKeyGrant>): Promise<string>;
}

const READY_MS_MAX = 60_000;
const FACTS_MS_MAX = 30_000;
const WORKER_CONCURRENCY = 64;

export async function startTargets(): Promise<Targets> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await freshRedis());
  const folder = stack.use(await tempFolder());
  const redis = stack.adopt(new Redis(server.url, { maxRetriesPerRequest: null }), (client) =>
    client.disconnect(),
  );
  const options: ApiChildOptions = { redisUrl: server.url, uploadFolder: join(folder.path, "uploads") };
  const api = stack.use(
    await startScript(fileURLToPath(new URL("api-child.ts", import.meta.url)), {
      args: [JSON.stringify(options)],
      nodeArgs: ["--expose-gc"],
    }),
  );
  const [, url = ""] = await api.line(/^ready (http:\S+)$/, READY_MS_MAX);
  const work: WorkerProcessOptions = {
    ...{ redisUrl: server.url, latencyMs: 0, concurrency: WORKER_CONCURRENCY },
    patterns: ["openai/*", "anthropic/*"],
  };
  const worker = stack.use(
    await startScript(fileURLToPath(new URL("../load/worker-process.ts", import.meta.url)), {
      args: [JSON.stringify(work)],
    }),
  );
  await worker.line(/^ready$/, READY_MS_MAX);
  const owned = stack.move();
  const keys = openApiKeys(redis, systemIds);
  let asked = 0;
  return {
    ...{ redisUrl: server.url, redis, url, port: Number(new URL(url).port), api },
    async facts() {
      asked += 1;
      api.write(`facts ${asked}\n`);
      const [, json = ""] = await api.line(new RegExp(`^facts ${asked} (.*)$`), FACTS_MS_MAX);
      // The child's own words.
      return JSON.parse(json) as ApiFacts;
    },
    async makeKey(name, grant) {
      return (await keys.create({ name, scopes: ["read", "submit", "operate"], ...grant })).text;
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}
