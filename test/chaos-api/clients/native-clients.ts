/** Programs that know Baton: the plain HTTP API with `?wait`, forks, and the Runner over `connectProducer({server})`. */
import { connectProducer, Runner } from "@baton/producer";
import { type Job, SERVER } from "../../chaos/jobs.ts";
import { fractionOf } from "../../chaos/random.ts";
import { inputOf, modelsOf } from "../plan.ts";
import type { Outcome } from "../stories.ts";
import { type Answered, callApi } from "./call-api.ts";
import type { Asked } from "./patient.ts";
import { type ClientWorld, keyOf, write, writeAccepted, writeAsked } from "./world.ts";

const WAIT_SECONDS = 10;
export const ENDED: readonly unknown[] = ["succeeded", "failed", "cancelled"];

export async function askNative(job: Job, world: ClientWorld): Promise<Asked> {
  const runId = await submit(job, world);
  return { runId, outcome: outcomeOf(await awaitRun(world, runId, job)) };
}

/** Resolves with the run's id. */
export async function submit(job: Job, world: ClientWorld): Promise<string> {
  const idempotencyKey = keyOf("native", job);
  writeAsked(world, job, idempotencyKey);
  const { body } = accepted(await callApi(world, submission(job, idempotencyKey, 0)));
  writeAccepted(world, job, { idempotencyKey, runId: body.id });
  return body.id;
}

function submission(job: Job, idempotencyKey: string, waitSeconds: number) {
  const path = waitSeconds > 0 ? `/v1/runs?wait=${waitSeconds}` : "/v1/runs";
  return {
    method: "POST" as const,
    path,
    body: job.spec,
    headers: { "idempotency-key": idempotencyKey },
  };
}

/** Waits by the same submission again and again, as the key allows. */
async function awaitRun(world: ClientWorld, runId: string, job: Job): Promise<Answered["body"]> {
  const again = submission(job, keyOf("native", job), WAIT_SECONDS);
  for (;;) {
    const { body } = accepted(await callApi(world, again));
    if (body.id !== runId) throw new Error(`the key of ${runId} is also that of ${body.id}`);
    if (ENDED.includes(body.status)) return body;
  }
}

/** Throws when it was refused. */
export function accepted(answered: Answered): Answered {
  if (answered.status < 300) return answered;
  throw new Error(`answered ${answered.status}: ${JSON.stringify(answered.body).slice(0, 300)}`);
}

export function outcomeOf(run: Answered["body"]): Outcome {
  if (run.status === "succeeded") return { kind: "text", text: run.final_output };
  return { kind: "refused", code: run.status === "cancelled" ? "cancelled" : run.error.code };
}

/** Some runs that succeeded are asked on, by a fork that is asked for twice with its key. */
export async function forkSome({ mark }: Job, world: ClientWorld, { runId, outcome }: Asked): Promise<void> {
  if (runId === undefined || outcome.kind !== "text" || fractionOf(mark, "fork") >= 0.5) return;
  const at = Date.now();
  const fork = {
    method: "POST" as const,
    path: `/v1/runs/${runId}/fork`,
    body: { input: "Once more, and shorter." },
    headers: { "idempotency-key": `fork ${mark}` },
  };
  const first = accepted(await callApi(world, fork)).body.id;
  const second = accepted(await callApi(world, fork)).body.id;
  if (first !== second) throw new Error(`the fork ${first} is also ${second}`);
  let run = accepted(await callApi(world, { method: "GET", path: `/v1/runs/${first}` })).body;
  while (!ENDED.includes(run.status)) {
    // The stream of its events says when it is over; nothing of it is kept here.
    run = accepted(await callApi(world, { method: "GET", path: `/v1/runs/${first}` })).body;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  const answer = { at, endedAt: Date.now(), kind: "native", mark, runId: first, isFork: true, asks: 2 };
  write(world, "answers", { ...answer, outcome: outcomeOf(run) });
}

const PATIENCE_MS = 75_000;

export async function askRunner(job: Job, world: ClientWorld, isStreamed: boolean): Promise<Asked> {
  const idempotencyKey = keyOf("native", job);
  writeAsked(world, job, idempotencyKey);
  await using connected = await connectProducer({
    server: world.url,
    apiKey: world.key,
    patienceMs: PATIENCE_MS,
  });
  const runner = new Runner({ producer: connected.producer });
  const params = {
    input: inputOf(job),
    instructions: job.spec.instructions ?? "",
    model: modelsOf(job),
    mcpServers: [SERVER],
    metadata: { mark: job.mark },
    idempotencyKey,
  };
  if (!isStreamed) {
    const { runId, finalOutput } = await runner.run(params);
    writeAccepted(world, job, { idempotencyKey, runId });
    return { runId, outcome: { kind: "text", text: finalOutput } };
  }
  await using stream = await runner.run({ ...params, stream: true });
  writeAccepted(world, job, { idempotencyKey, runId: stream.runId });
  const { runId, finalOutput } = await stream.result();
  return { runId, outcome: { kind: "text", text: finalOutput } };
}
