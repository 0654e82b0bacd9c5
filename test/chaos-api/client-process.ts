/**
 * All clients of a chaos run through the API, in a process of their own: each job begins when it is due, by the client that
 * the plan names, and what that one was told in the end is written down. Prints `ready`, and `done` when all jobs are over.
 * Options: `--url`, `--folder`, `--seed`, `--jobs`, `--gap` in milliseconds. The key is in BATON_API_KEY.
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { runBatch } from "./clients/batch-client.ts";
import { askDedalus, askDedalusStream } from "./clients/dedalus-clients.ts";
import { watchEvents } from "./clients/event-reader.ts";
import { askMcp } from "./clients/mcp-client.ts";
import { askNative, askRunner, forkSome } from "./clients/native-clients.ts";
import {
  type Asked,
  askChat,
  askChatStream,
  askResponse,
  askResponseStream,
} from "./clients/openai-clients.ts";
import { recordFetch } from "./clients/recorded-fetch.ts";
import { retry, steer } from "./clients/steering.ts";
import { type Verdict, verdictOf } from "./clients/verdict.ts";
import { type ClientWorld, write } from "./clients/world.ts";
import { type Task, taskOf } from "./plan.ts";
import type { Answer, Outcome } from "./stories.ts";

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
const world: ClientWorld = { url: values.url, folder: values.folder, key: process.env.BATON_API_KEY ?? "" };
/** No client bears more than this. */
const PATIENCE_MS = 90_000;
const PAUSE_MS = 300;

process.stdin.once("end", () => process.exit(0));
process.stdin.resume();
recordFetch(world);
process.stdout.write("ready\n");

await Promise.all(
  Array.from({ length: jobs }, async (_, index) => {
    await delay(index * gap);
    const task = taskOf(seed, index);
    try {
      await (task.kind === "batch" ? runBatch(task, world) : play(task));
    } catch (error) {
      const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
      answer(task, { at: Date.now(), asks: 0, outcome: { kind: "gave_up", why } });
    }
  }),
);
process.stdout.write("done\n", () => process.exit(0));

/** One job: asks until there is an answer; retries once what failed, where the client can ask for the same run again. */
async function play(task: Task): Promise<void> {
  const { kind, job } = task;
  const at = Date.now();
  const over = new AbortController();
  const steered = steer(job, world, over.signal);
  let asks = 0;
  const causes = new Set<string>();
  let retries = 0;
  for (;;) {
    asks += 1;
    const asked = await askOnce(task);
    const { outcome } = asked;
    if (outcome.kind === "again") {
      causes.add(outcome.why);
      if (Date.now() - at <= PATIENCE_MS) {
        await delay(PAUSE_MS);
        continue;
      }
      answer(task, { at, asks, outcome: { kind: "gave_up", why: outcome.why }, causes });
    } else if (outcome.kind === "refused" && retries === 0 && isRetried(task)) {
      retries += 1;
      if (await retry(job, world)) continue;
      answer(task, { at, asks, outcome, causes });
    } else {
      answer(task, { at, asks, outcome, runId: asked.runId, causes });
      if (kind === "native") await forkSome(job, world, { ...asked, outcome });
    }
    break;
  }
  over.abort();
  await steered;
}

type Heard = Omit<Asked, "outcome"> & { readonly outcome: Verdict };

async function askOnce(task: Task): Promise<Heard> {
  try {
    return await ask(task);
  } catch (error) {
    return { outcome: verdictOf(error) };
  }
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
    case "batch":
      throw new Error("a batch has a client of its own");
  }
}

/** The runner of Dedalus would make another run, and a reader of events has read to the end. */
function isRetried({ kind, job }: Task): boolean {
  if (kind === "dedalus" || kind === "events") return false;
  return job.act?.kind === "cancel" ? job.act.retried : true;
}

function answer(
  { kind, job }: Task,
  told: {
    readonly at: number;
    readonly asks: number;
    readonly outcome: Outcome;
    readonly runId?: string | undefined;
    readonly causes?: ReadonlySet<string>;
  },
): void {
  const { runId, causes = new Set(), ...rest } = told;
  const line: Answer = {
    ...rest,
    ...(runId === undefined ? {} : { runId }),
    causes: [...causes],
    endedAt: Date.now(),
    kind,
    mark: job.mark,
    isFork: false,
  };
  write(world, "answers", line);
}
