/**
 * Dedalus' own client and runner, unchanged. The runner makes its keys itself and keeps each over the retries of one
 * request, of which it is given enough for an API that is away for seconds; a stream that broke is read again by its key.
 */
import { Dedalus, DedalusRunner } from "dedalus-labs";
import { type Job, SERVER } from "../../chaos/jobs.ts";
import { inputOf, modelsOf } from "../plan.ts";
import { chatBody, readChunks } from "./openai-clients.ts";
import type { Asked } from "./patient.ts";
import { type ClientWorld, keyOf, writeAccepted, writeAsked } from "./world.ts";

const RETRIES_MAX = 20;
const TIMEOUT_MS = 60_000;

function clientOf({ url, key }: ClientWorld, maxRetries: number): Dedalus {
  return new Dedalus({ baseURL: url, apiKey: key, maxRetries, timeout: TIMEOUT_MS });
}

export async function askDedalus(job: Job, world: ClientWorld): Promise<Asked> {
  writeAsked(world, job, keyOf("dedalus", job));
  const result = await new DedalusRunner(clientOf(world, RETRIES_MAX)).run({
    input: inputOf(job),
    instructions: job.spec.instructions ?? "",
    model: [...modelsOf(job)],
    mcpServers: [SERVER],
    metadata: { mark: job.mark },
  });
  // Not asked to stream, it gives a result.
  const { finalOutput } = result as { readonly finalOutput: string };
  return { outcome: { kind: "text", text: finalOutput } };
}

export async function askDedalusStream(job: Job, world: ClientWorld): Promise<Asked> {
  const idempotencyKey = keyOf("chat", job);
  writeAsked(world, job, idempotencyKey);
  const stream = await clientOf(world, 2).chat.completions.create(
    { ...chatBody(job), stream: true },
    { idempotencyKey },
  );
  return readChunks(stream, (runId) => writeAccepted(world, job, { idempotencyKey, runId }));
}
