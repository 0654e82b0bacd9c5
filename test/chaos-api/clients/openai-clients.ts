/** OpenAI's own client, unchanged: completions and responses, whole and streamed, each with a key that finds its run again. */
import OpenAI from "openai";
import { type Job, SERVER } from "../../chaos/jobs.ts";
import { inputOf, modelsOf } from "../plan.ts";
import type { Outcome } from "../stories.ts";
import { type ClientWorld, keyOf, writeAccepted, writeAsked } from "./world.ts";

export interface Asked {
  readonly outcome: Outcome;
  readonly runId?: string | undefined;
}

const TIMEOUT_MS = 60_000;

function clientOf({ url, key }: ClientWorld): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: key, timeout: TIMEOUT_MS });
}

export function chatBody(job: Job) {
  const models: readonly unknown[] = modelsOf(job);
  return {
    // Lists of models and servers are not in the client's types; they pass through it.
    model: models as unknown as string,
    mcp_servers: [SERVER],
    messages: [
      { role: "system" as const, content: job.spec.instructions ?? "" },
      { role: "user" as const, content: inputOf(job) },
    ],
    metadata: { mark: job.mark },
  };
}

export async function askChat(job: Job, world: ClientWorld): Promise<Asked> {
  const idempotencyKey = keyOf("chat", job);
  writeAsked(world, job, idempotencyKey);
  const completion = await clientOf(world).chat.completions.create(chatBody(job), {
    headers: { "Idempotency-Key": idempotencyKey },
  });
  writeAccepted(world, job, { idempotencyKey, runId: completion.id });
  return {
    runId: completion.id,
    outcome: { kind: "text", text: completion.choices[0]?.message.content ?? "" },
  };
}

/** A chunk as Baton's streams have it. */
interface Chunk {
  readonly id: string;
  readonly choices: readonly {
    readonly delta: { readonly content?: string | null | undefined };
    readonly finish_reason: unknown;
  }[];
  readonly baton?: { readonly withdrawn?: { readonly content_chars: number } };
}

/** What a reader has who knows of text that is withdrawn. Throws when the stream ends without a finish reason. */
export async function readChunks(stream: AsyncIterable<unknown>, onId: (id: string) => void): Promise<Asked> {
  let content = "";
  let isFinished = false;
  let runId: string | undefined;
  for await (const piece of stream) {
    // The clients hand chunks on as they came; Baton's own field is in no type of theirs.
    const { id, choices, baton } = piece as Chunk;
    if (runId === undefined) onId(id);
    runId ??= id;
    if (id !== runId) throw new Error(`chunks of ${runId} and ${id} in one stream`);
    content += choices[0]?.delta.content ?? "";
    const voided = baton?.withdrawn?.content_chars ?? 0;
    if (voided > content.length) throw new Error(`${voided} of ${content.length} characters are withdrawn`);
    content = content.slice(0, content.length - voided);
    isFinished ||= typeof choices[0]?.finish_reason === "string";
  }
  if (!isFinished) throw new Error("a stream ended without a finish reason");
  return { runId, outcome: { kind: "text", text: content, streamed: content } };
}

export async function askChatStream(job: Job, world: ClientWorld): Promise<Asked> {
  const idempotencyKey = keyOf("chat", job);
  writeAsked(world, job, idempotencyKey);
  const stream = await clientOf(world).chat.completions.create(
    { ...chatBody(job), stream: true },
    { headers: { "Idempotency-Key": idempotencyKey } },
  );
  return readChunks(stream, (runId) => writeAccepted(world, job, { idempotencyKey, runId }));
}

function responseBody(job: Job) {
  const { model, mcp_servers, metadata } = chatBody(job);
  return { model, mcp_servers, metadata, instructions: job.spec.instructions ?? "", input: inputOf(job) };
}

export async function askResponse(job: Job, world: ClientWorld): Promise<Asked> {
  const idempotencyKey = keyOf("responses", job);
  writeAsked(world, job, idempotencyKey);
  const response = await clientOf(world).responses.create(responseBody(job), {
    headers: { "Idempotency-Key": idempotencyKey },
  });
  return told(response, job, world);
}

function told(response: OpenAI.Responses.Response, job: Job, world: ClientWorld, streamed?: string): Asked {
  const runId = response.id.replace(/^resp_/, "");
  writeAccepted(world, job, { idempotencyKey: keyOf("responses", job), runId });
  if (response.status === "completed") {
    const text = response.output
      .flatMap((item) => (item.type === "message" ? item.content : []))
      .map((part) => (part.type === "output_text" ? part.text : ""))
      .join("");
    return { runId, outcome: { kind: "text", text, ...(streamed === undefined ? {} : { streamed }) } };
  }
  return { runId, outcome: { kind: "refused", code: response.error?.code ?? response.status ?? "" } };
}

export async function askResponseStream(job: Job, world: ClientWorld): Promise<Asked> {
  const idempotencyKey = keyOf("responses", job);
  writeAsked(world, job, idempotencyKey);
  const stream = await clientOf(world).responses.create(
    { ...responseBody(job), stream: true },
    { headers: { "Idempotency-Key": idempotencyKey } },
  );
  const texts = new Map<string, string>();
  let last: OpenAI.Responses.Response | undefined;
  let sequence = -1;
  for await (const event of stream) {
    if (event.sequence_number !== sequence + 1) {
      throw new Error(`event ${event.sequence_number} came behind event ${sequence}`);
    }
    sequence = event.sequence_number;
    if (event.type === "response.output_text.delta") {
      texts.set(event.item_id, (texts.get(event.item_id) ?? "") + event.delta);
    }
    if (
      event.type === "response.completed" ||
      event.type === "response.incomplete" ||
      event.type === "response.failed"
    ) {
      last = event.response;
    }
  }
  if (last === undefined) throw new Error("a stream ended without its last event");
  const message = last.output.findLast((item) => item.type === "message");
  return told(last, job, world, texts.get(message?.id ?? "") ?? "");
}
