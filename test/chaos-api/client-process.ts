/**
 * All clients of a chaos run through the API, in a process of their own: each job begins when it is due, by the client that
 * the plan names, and what that one was told in the end is written down. Prints `ready`, and `done` when all jobs are over.
 * Options: `--url`, `--folder`, `--seed`, `--jobs`, `--gap` in milliseconds. The key is in BATON_API_KEY, those that are
 * bounded are in CHAOS_BOUNDED_KEYS, by the marks of their tasks.
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { runBatch } from "./clients/batch-client.ts";
import { runBudgeted, runCrowded, runRated } from "./clients/bounded-clients.ts";
import { talkOverChat, talkOverResponses } from "./clients/conversations.ts";
import { askDedalus, askDedalusStream } from "./clients/dedalus-clients.ts";
import { watchEvents } from "./clients/event-reader.ts";
import { askMcp } from "./clients/mcp-client.ts";
import { askNative, askRunner, forkSome } from "./clients/native-clients.ts";
import { askChat, askChatStream, askResponse, askResponseStream } from "./clients/openai-clients.ts";
import { type Asked, untilAnswered, writeAnswer } from "./clients/patient.ts";
import { recordFetch } from "./clients/recorded-fetch.ts";
import { type ClientWorld, keysSchema } from "./clients/world.ts";
import { type Task, taskOf } from "./plan.ts";

const { values } = parseArgs({
  options: {
    url: { type: "string", default: "" },
    folder: { type: "string", default: "" },
    seed: { type: "string", default: "" },
    jobs: { type: "string", default: "" },
    gap: { type: "string", default: "" },
  },
});
const [seed, jobs, gap] = [values.seed, values.jobs, values.gap].map(Number) as [number, number, number];
const { BATON_API_KEY: key = "", CHAOS_BOUNDED_KEYS: boundedKeys = "{}" } = process.env;
const world: ClientWorld = { url: values.url, folder: values.folder, key };
const keys = new Map(Object.entries(keysSchema.parse(JSON.parse(boundedKeys))));

process.stdin.once("end", () => process.exit(0));
process.stdin.resume();
recordFetch(world, new Map([...keys].map(([mark, text]) => [text, mark])));
process.stdout.write("ready\n");

await Promise.all(
  Array.from({ length: jobs }, async (_, index) => {
    await delay(index * gap);
    const task = taskOf(seed, index);
    try {
      await run(task);
    } catch (error) {
      const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
      writeAnswer(world, { ...task, at: Date.now(), asks: 0, told: { outcome: { kind: "gave_up", why } } });
    }
  }),
);
process.stdout.write("done\n", () => process.exit(0));

function run(task: Task): Promise<void> {
  const own = { ...world, key: keys.get(task.job.mark) ?? world.key };
  switch (task.kind) {
    case "batch":
      return runBatch(task, world);
    case "chat_tools":
      return talkOverChat(task, world);
    case "responses_tools":
    case "responses_chain":
      return talkOverResponses(task, world);
    case "rated":
      return runRated(task, own);
    case "crowded":
      return runCrowded(task, own);
    case "budgeted":
      return runBudgeted(task, own);
    default:
      return play(task);
  }
}

/** One job, by whichever client its kind names. */
async function play(task: Task): Promise<void> {
  const { kind, job } = task;
  const wish = { kind, job, isSteered: true, isRetried: isRetried(task) };
  const told = await untilAnswered(wish, world, () => ask(task));
  if (kind === "native") await forkSome(job, world, told);
}

function ask({ kind, job }: Task): Promise<Asked> {
  switch (kind) {
    case "chat":
      return askChat(job, world);
    case "chat_stream":
      return askChatStream(job, world);
    case "responses":
      return askResponse(job, world);
    case "responses_stream":
      return askResponseStream(job, world);
    case "dedalus":
      return askDedalus(job, world);
    case "dedalus_stream":
      return askDedalusStream(job, world);
    case "native":
      return askNative(job, world);
    case "events":
      return watchEvents(job, world);
    case "runner":
    case "runner_stream":
      return askRunner(job, world, kind === "runner_stream");
    case "mcp":
      return askMcp(job, world);
    default:
      throw new Error(`${kind} has a client of its own`);
  }
}

/** The runner of Dedalus would make another run, and a reader of events has read to the end. */
function isRetried({ kind, job }: Task): boolean {
  if (kind === "dedalus" || kind === "events") return false;
  return job.act?.kind === "cancel" ? job.act.retried : true;
}
