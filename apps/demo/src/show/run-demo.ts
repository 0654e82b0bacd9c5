/**
 * The demo, whole: Redis, models, workers; the batch; the kill; the audit. What is started here is stopped here,
 * in reverse order, on success, failure and abort alike.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BatonError, parseConfig, type RunId } from "@baton/core";
import type { Producer } from "@baton/producer";
import type { RedisHandle } from "@baton/redis-embedded";
import { openStore, systemIds } from "@baton/worker-app";
import { DEMO_PACE, RESEARCH_MODEL, specOf, startSimulatedModels, TOPICS, type Topic } from "../index.ts";
import { audit, type DemoOutcome } from "./audit.ts";
import { Crew } from "./crew.ts";
import { type DemoFolder, demoConfig, prepareFolder } from "./demo-folder.ts";
import { startPrivateRedis } from "./private-redis.ts";
import type { Progress } from "./progress.ts";
import { advance, firstView, labelOf, type RunView, silent } from "./run-view.ts";
import { Strike } from "./strike.ts";
import { resultLine, textFile } from "./text-file.ts";

export interface DemoOptions {
  readonly folder: DemoFolder;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly progress: Progress;
  readonly now: () => number;
}

const DEADLINE_MS = 180_000;

/** Runs the whole demo and writes its files. Throws the reason of an abort, or what went wrong outside the runs. */
export async function runDemo(options: DemoOptions, signal: AbortSignal): Promise<DemoOutcome> {
  const { folder, env, progress, now } = options;
  sayWhatIsReal(progress);
  await using stack = new AsyncDisposableStack();
  const say = (line: string): void => progress.say(line, "dim");
  const redis = stack.use(await startPrivateRedis({ dataDir: folder.path, env, log: say }, signal));
  const broken = new AbortController();
  const deadline = setTimeout(() => broken.abort(tooLate()), DEADLINE_MS);
  stack.defer(() => clearTimeout(deadline));
  const models = await startSimulatedModels({ pace: DEMO_PACE, now });
  stack.defer(() => models.close());
  const config = demoConfig(models);
  await prepareFolder(folder, config);
  const store = stack.use(
    await openStore({
      url: redis.url,
      config: parseConfig(config, folder.configFile),
      ids: systemIds,
      onError: (error) => say(`redis: ${error.message}`),
    }),
  );
  // Its own and private: nobody else's data is in it. Runs of an earlier demo would be worked on again.
  await store.connection.flushall();
  const views = new Map<RunId, RunView>();
  const crew = new Crew({
    folder,
    redisUrl: redis.url,
    env,
    onClaimed: () => strike?.consider(),
    onLost: (error) => broken.abort(error),
  });
  stack.defer(() => crew.stop());
  const [victim] = crew.workers;
  const { producer } = store;
  const strike = victim && new Strike({ victim, crew, views, producer, progress, now });
  const ending = AbortSignal.any([signal, broken.signal]);
  await begun(crew, ending);
  sayCrew(redis, crew, progress);
  const started = now();
  const topics = await submit(producer, views, progress);
  await follow({ topics, views, crew, producer, progress, strike }, ending);
  const report = await strike?.report();
  const outcome = await audit({
    topics,
    producer,
    journal: models.journal(),
    strike: report,
    elapsedMs: now() - started,
  });
  await writeFiles(folder, outcome);
  return outcome;
}

function sayWhatIsReal(progress: Progress): void {
  progress.say(
    "Baton demo: GPT researches, Claude writes, one worker is killed. No keys, no network.",
    "bold",
  );
  progress.say("Simulated: both models, behind the real wire protocols of OpenAI and Anthropic.");
  progress.say("Real: Redis, three worker processes, an MCP server over stdio, the documents, SIGKILL.");
  progress.say("");
}

function sayCrew(redis: RedisHandle, crew: Crew, progress: Progress): void {
  progress.say(`Redis ${redis.version ?? ""}${redis.pid === undefined ? "" : ` (pid ${redis.pid})`}`, "dim");
  for (const { name, pid, model } of crew.workers) {
    progress.say(`${name} (pid ${pid}) serves ${labelOf(model)}`, "dim");
  }
  progress.say("");
}

/** Resolves when all workers serve; rejects with the reason of an abort. */
async function begun(crew: Crew, signal: AbortSignal): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.throwIfAborted();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await Promise.race([crew.ready(), promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Submits the batch. The key makes a topic that is submitted twice one run. */
async function submit(
  producer: Producer,
  views: Map<RunId, RunView>,
  progress: Progress,
): Promise<ReadonlyMap<RunId, Topic>> {
  const topics = new Map<RunId, Topic>();
  for (const topic of TOPICS) {
    const { runId } = await producer.submit(specOf(topic), { idempotencyKey: `demo/${topic.id}` });
    topics.set(runId, topic);
    const view = firstView(topic, RESEARCH_MODEL);
    views.set(runId, view);
    progress.show(silent(view));
  }
  progress.say(`${topics.size} runs are submitted.`);
  return topics;
}

interface Show {
  readonly topics: ReadonlyMap<RunId, Topic>;
  readonly views: Map<RunId, RunView>;
  readonly crew: Crew;
  readonly producer: Producer;
  readonly progress: Progress;
  readonly strike: Strike | undefined;
}

/** Follows all runs to their ends. Throws the reason of an abort. */
async function follow(show: Show, signal: AbortSignal): Promise<void> {
  await Promise.all([...show.topics.keys()].map((runId) => followRun(show, runId, signal)));
  signal.throwIfAborted();
}

async function followRun(show: Show, runId: RunId, signal: AbortSignal): Promise<void> {
  const { views, crew, producer, progress, strike } = show;
  for await (const { event } of producer.watch(runId, { after: "0-0" }, signal)) {
    const view = views.get(runId);
    if (view === undefined) continue;
    const step = advance(view, event, crew.workerOf(runId, event.epoch));
    views.set(runId, step.view);
    const isSaid = strike?.saw(runId, event) === true;
    progress.show(isSaid ? silent(step.view) : step);
    strike?.consider();
  }
}

async function writeFiles(folder: DemoFolder, { runs }: DemoOutcome): Promise<void> {
  await writeFile(folder.resultsFile, runs.map(resultLine).join(""));
  for (const run of runs) await writeFile(join(folder.textsFolder, `${run.topic.id}.md`), textFile(run));
}

function tooLate(): BatonError {
  return new BatonError("deadline", `the demo did not end within ${DEADLINE_MS / 1_000} s`);
}
