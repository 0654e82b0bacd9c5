/**
 * One chaos run through the front door, from start to end: two `baton api` processes behind one port, workers, a Redis of
 * their own, simulated providers and a real MCP server; clients in a process of their own; the faults of the schedule. Then
 * all is healed, the clients get the time to end, and what was seen lies in the folder. What it starts it ends.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isTerminal, randomPool } from "@baton/core";
import { type ApiKeys, type ConnectedStore, connectStore, openApiKeys } from "@baton/store";
import { collectRuns, collectTexts } from "../chaos/collect.ts";
import { readLines, writeLine } from "../chaos/files.ts";
import { Observer } from "../chaos/observer.ts";
import { breakAndHeal } from "../chaos/planned-faults.ts";
import { prepare, secretsOf } from "../chaos/prepare.ts";
import { RedisProcess } from "../chaos/redis-process.ts";
import { TcpProxy } from "../chaos/tcp-proxy.ts";
import { WorkerSlot, type WorkerSlotOptions } from "../chaos/worker-slot.ts";
import { openFrontDoor } from "../support/front-door.ts";
import { type ScriptProcess, startScript } from "../support/processes.ts";
import { writeIdle } from "./idle.ts";
import { inject, type World } from "./inject.ts";
import { type Task, taskOf } from "./plan.ts";
import { APIS, scheduleOf, WORKERS } from "./schedule.ts";

export interface ChaosApiOptions {
  readonly seed: number;
  readonly jobs: number;
  readonly durationMs: number;
  /** Absolute and empty. */
  readonly folder: string;
  /** Hears now and then how far it is. */
  readonly onProgress: (line: string) => void;
}

const CONCURRENCY = 15;
/** Long answers are cut in the middle; accounts that are slowed down for a minute are no matter of the API. */
const PROVIDER_ARGS = ["--essay", "1200", "--no-rates"];
const SETTLE_MS_MAX = 90_000;
const LOOK_EVERY_MS = 250;
const READY_MS_MAX = 60_000;
const STORE_CLOSE_MS_MAX = 2_000;

interface Rig extends World {
  readonly store: ConnectedStore;
  readonly key: string;
  /** By the marks of the tasks that have one of their own. */
  readonly boundedKeys: ReadonlyMap<string, string>;
  readonly apiUrls: readonly string[];
  readonly secrets: readonly string[];
}

export async function runChaosApi(options: ChaosApiOptions, signal: AbortSignal): Promise<void> {
  const { seed, folder } = options;
  await using ends = new AsyncDisposableStack();
  const rig = await openRig(options, ends, signal);
  const { apis, apiUrls, key, observer } = rig;
  const idle = (when: "start" | "end"): Promise<unknown> =>
    Promise.all(apis.map((slot, place) => writeIdle({ slot, url: apiUrls[place] ?? "", key }, when, folder)));
  await idle("start");
  observer.start();
  const clients = ends.use(await startClients(options, rig));
  const startedAt = Date.now();
  await breakAndHeal({
    ...options,
    faults: scheduleOf(options),
    signal,
    strike: (planned) => inject(planned, rig),
    settle: () => settle(rig, clients),
    progress: () => progressOf(folder, rig),
  });
  await clients[Symbol.asyncDispose]();
  await idle("end");
  await observer.stop();
  await Promise.all(apis.map((api) => stopOf(api, folder)));
  await Promise.all(rig.workers.map((worker) => worker.stop()));
  await collectRuns(rig.store.ledger, folder);
  await collectTexts(rig.store.connection, folder);
  writeLine(folder, "about", { seed, startedAt, endedAt: Date.now(), secrets: rig.secrets });
}

async function openRig(
  { seed, folder, jobs }: ChaosApiOptions,
  ends: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<Rig> {
  const redis = ends.use(await RedisProcess.start(join(folder, "data")));
  const store = await connectStore({ url: redis.url, retentionMs: 0, onError: () => undefined });
  // Without a Redis it would wait for one.
  ends.defer(() => Promise.race([store[Symbol.asyncDispose](), delay(STORE_CLOSE_MS_MAX)]));
  const ids = { now: () => Date.now(), random: randomPool(randomBytes) };
  // Made before an API starts, so that it asks for keys from the first request on.
  const apiKeys = openApiKeys(store.connection, ids);
  const { text: key } = await apiKeys.create({ name: "chaos", scopes: ["read", "submit", "operate"] });
  const boundedKeys = await makeBoundedKeys(
    apiKeys,
    Array.from({ length: jobs }, (_, index) => taskOf(seed, index)),
  );
  const secrets = secretsOf(seed);
  const env = await prepare(folder, secrets, ends, PROVIDER_ARGS);
  const onNote = (note: string): void => writeLine(folder, "notes", { at: Date.now(), note });
  const patterns = ["openai/*", "anthropic/*"];
  const common = { patterns, concurrency: CONCURRENCY, folder, env, onNote };
  const slotAt = async (
    index: number,
    command: WorkerSlotOptions["command"] = undefined,
  ): Promise<WorkerSlot> => {
    const proxy = await TcpProxy.open(redis.url);
    ends.defer(() => proxy.close());
    const slot = new WorkerSlot({ ...common, index, proxy, command });
    ends.defer(() => slot.kill());
    return slot;
  };
  const workers = await Promise.all(Array.from({ length: WORKERS }, (_, index) => slotAt(index)));
  const door = ends.use(await openFrontDoor());
  const apiUrls = new Array<string>(APIS).fill("");
  const apis = await Promise.all(
    Array.from({ length: APIS }, (_, index) =>
      slotAt(index, {
        name: `api${index}`,
        args: ["api", "--port", "0", "--drain", "2", "--json"],
        onReady: (url) => {
          apiUrls[index] = url;
          door.lead(...apiUrls.filter((one) => one !== "").map((one) => Number(new URL(one).port)));
        },
      }),
    ),
  );
  const clientsWay = await TcpProxy.open(Number(new URL(door.url).port));
  ends.defer(() => clientsWay.close());
  await Promise.all([...workers, ...apis].map((slot) => slot.start()));
  return {
    ...{ seed, folder, redis, workers, apis, clientsWay, signal, store, key, boundedKeys, apiUrls },
    client: store.connection,
    observer: new Observer(store.connection, folder, () => undefined),
    secrets: [...Object.values(secrets), key, ...boundedKeys.values()],
  };
}

async function makeBoundedKeys(
  apiKeys: ApiKeys,
  tasks: readonly Task[],
): Promise<ReadonlyMap<string, string>> {
  const keys = new Map<string, string>();
  for (const { job, bound } of tasks) {
    if (bound === undefined) continue;
    const { text } = await apiKeys.create({
      ...{ name: job.mark, scopes: ["read", "submit"] },
      ...(bound.kind === "rpm" ? { rpm: bound.perMinute } : {}),
      ...(bound.kind === "max_live" ? { maxLive: bound.runs } : {}),
      ...(bound.kind === "budget" ? { budget: { tokens: bound.tokens } } : {}),
    });
    keys.set(job.mark, text);
  }
  return keys;
}

async function startClients(
  { seed, folder, jobs, durationMs }: ChaosApiOptions,
  { clientsWay, key, boundedKeys }: Rig,
): Promise<ScriptProcess> {
  const args = {
    url: `http://127.0.0.1:${clientsWay.port}`,
    folder,
    seed,
    jobs,
    gap: Math.floor(durationMs / jobs),
  };
  const clients = await startScript(join(import.meta.dirname, "client-process.ts"), {
    args: Object.entries(args).flatMap(([name, value]) => [`--${name}`, String(value)]),
    env: {
      BATON_API_KEY: key,
      CHAOS_BOUNDED_KEYS: JSON.stringify(Object.fromEntries(boundedKeys)),
    },
  });
  await clients.line(/^ready$/, READY_MS_MAX);
  return clients;
}

function progressOf(folder: string, { observer }: Rig): string {
  const ended = [...observer.runs.values()].filter(({ status }) => isTerminal(status)).length;
  return `${ended} of ${observer.runs.size} runs are over, ${readLines(folder, "answers").length} answers`;
}

/** Until the clients are done and every run is terminal, or the time for that is over: what is not by then is judged. */
async function settle({ observer, folder, signal }: Rig, clients: ScriptProcess): Promise<void> {
  const deadline = Date.now() + SETTLE_MS_MAX;
  const isOver = (): boolean =>
    clients.stdout.includes("done\n") &&
    [...observer.runs.values()].every(({ status }) => isTerminal(status));
  let end: unknown;
  void clients.ended.then((how) => {
    end = how;
  });
  while (!isOver() && Date.now() < deadline && (end === undefined || clients.stdout.includes("done\n"))) {
    await delay(LOOK_EVERY_MS, undefined, { signal });
  }
  if (!clients.stdout.includes("done\n")) {
    const how = end === undefined ? "were not done in time" : `ended early: ${JSON.stringify(end)}`;
    writeLine(folder, "notes", {
      at: Date.now(),
      note: `the clients ${how}: ${clients.stderr.slice(-2_000)}`,
    });
  }
}

async function stopOf(api: WorkerSlot, folder: string): Promise<void> {
  const inTime = await api.stop();
  if (!inTime) writeLine(folder, "notes", { at: Date.now(), note: `${api.name} did not stop at SIGTERM` });
}
