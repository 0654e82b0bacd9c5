/** OpenAI's own client, unchanged: completions and responses, whole and streamed, each with a key that finds its run again. */
import OpenAI from "openai";
import { type Job, SERVER } from "../../chaos/jobs.ts";
import { inputOf, modelsOf } from "../plan.ts";
import type { Asked } from "./patient.ts";
import { type ClientWorld, keyOf, writeAccepted, writeAsked } from "./world.ts";

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

type ChatBody = Omit<OpenAI.Chat.ChatCompletionCreateParamsNonStreaming, "stream">;
export type ResponseBody = Omit<OpenAI.Responses.ResponseCreateParamsNonStreaming, "stream">;
type Call = Extract<Asked["outcome"], { readonly kind: "calls" }>["calls"][number];

export function askChat(job: Job, world: ClientWorld): Promise<Asked> {
  return askCompletion(chatBody(job), job, world);
}

export async function askCompletion(body: ChatBody, job: Job, world: ClientWorld): Promise<Asked> {
  const idempotencyKey = keyOf("chat", job);
  writeAsked(world, job, idempotencyKey);
  const { id: runId, choices } = await clientOf(world).chat.completions.create(body, {
    headers: { "Idempotency-Key": idempotencyKey },
  });
  writeAccepted(world, job, { idempotencyKey, runId });
  const { content, tool_calls: made = [] } = choices[0]?.message ?? {};
  const calls = made.flatMap((one) => (one.type === "function" ? [{ id: one.id, ...one.function }] : []));
  return { runId, outcome: outcomeOf(content ?? "", calls) };
}

function outcomeOf(text: string, calls: readonly Call[], streamed?: string): Asked["outcome"] {
  const told = { text, ...(streamed === undefined ? {} : { streamed }) };
  return calls.length === 0 ? { kind: "text", ...told } : { kind: "calls", ...told, calls: [...calls] };
}

/** A chunk as Baton's streams have it. */
interface Chunk {
  readonly id: string;
  readonly choices: readonly {
    readonly delta: {
      readonly content?: string | null | undefined;
      readonly tool_calls?: readonly CallPiece[] | undefined;
    };
    readonly finish_reason: unknown;
  }[];
  readonly baton?: { readonly withdrawn?: { readonly content_chars: number } };
}

interface CallPiece {
  readonly index: number;
  readonly id?: string;
  readonly function?: { readonly name?: string; readonly arguments?: string };
}

/** What a reader has who knows of text that is withdrawn. Throws when the stream ends without a finish reason. */
export async function readChunks(stream: AsyncIterable<unknown>, onId: (id: string) => void): Promise<Asked> {
  let content = "";
  const calls: Call[] = [];
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
    for (const piece of choices[0]?.delta.tool_calls ?? []) takePiece(calls, piece);
    isFinished ||= typeof choices[0]?.finish_reason === "string";
  }
  if (!isFinished) throw new Error("a stream ended without a finish reason");
  return { runId, outcome: outcomeOf(content, calls, content) };
}

function takePiece(calls: Call[], { index, id, function: said }: CallPiece): void {
  const call = calls[index] ?? { id: "", name: "", arguments: "" };
  calls[index] = {
    id: call.id + (id ?? ""),
    name: call.name + (said?.name ?? ""),
    arguments: call.arguments + (said?.arguments ?? ""),
  };
}

export function askChatStream(job: Job, world: ClientWorld): Promise<Asked> {
  return askCompletionStream(chatBody(job), job, world);
}

export async function askCompletionStream(body: ChatBody, job: Job, world: ClientWorld): Promise<Asked> {
  const idempotencyKey = keyOf("chat", job);
  writeAsked(world, job, idempotencyKey);
  const stream = await clientOf(world).chat.completions.create(
    { ...body, stream: true },
    { headers: { "Idempotency-Key": idempotencyKey } },
  );
  return readChunks(stream, (runId) => writeAccepted(world, job, { idempotencyKey, runId }));
}

export function responseBody(job: Job) {
  const { model, mcp_servers, metadata } = chatBody(job);
  return { model, mcp_servers, metadata, instructions: job.spec.instructions ?? "", input: inputOf(job) };
}

export function askResponse(job: Job, world: ClientWorld): Promise<Asked> {
  return askWholeResponse(responseBody(job), job, world);
}

export async function askWholeResponse(body: ResponseBody, job: Job, world: ClientWorld): Promise<Asked> {
  const idempotencyKey = keyOf("responses", job);
  writeAsked(world, job, idempotencyKey);
  const response = await clientOf(world).responses.create(body, {
    headers: { "Idempotency-Key": idempotencyKey },
  });
  return told(response, job, world);
}

function told(response: OpenAI.Responses.Response, job: Job, world: ClientWorld, streamed?: string): Asked {
  const runId = response.id.replace(/^resp_/, "");
  writeAccepted(world, job, { idempotencyKey: keyOf("responses", job), runId });
  if (response.status !== "completed") {
    return { runId, outcome: { kind: "refused", code: response.error?.code ?? response.status ?? "" } };
  }
  const text = response.output
    .flatMap((item) => (item.type === "message" ? item.content : []))
    .map((part) => (part.type === "output_text" ? part.text : ""))
    .join("");
  const calls = response.output.flatMap((item) =>
    item.type === "function_call" ? [{ id: item.call_id, name: item.name, arguments: item.arguments }] : [],
  );
  return { runId, outcome: outcomeOf(text, calls, streamed) };
}

export function askResponseStream(job: Job, world: ClientWorld): Promise<Asked> {
  return askWholeResponseStream(responseBody(job), job, world);
}

export async function askWholeResponseStream(
  body: ResponseBody,
  job: Job,
  world: ClientWorld,
): Promise<Asked> {
  const idempotencyKey = keyOf("responses", job);
  writeAsked(world, job, idempotencyKey);
  const stream = await clientOf(world).responses.create(
    { ...body, stream: true },
    { headers: { "Idempotency-Key": idempotencyKey } },
  );
  const pieces = new Map<string, string>();
  let last: OpenAI.Responses.Response | undefined;
  let sequence = -1;
  for await (const event of stream) {
    if (event.sequence_number !== sequence + 1) {
      throw new Error(`event ${event.sequence_number} came behind event ${sequence}`);
    }
    sequence = event.sequence_number;
    if (
      event.type === "response.output_text.delta" ||
      event.type === "response.function_call_arguments.delta"
    ) {
      pieces.set(event.item_id, (pieces.get(event.item_id) ?? "") + event.delta);
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
  for (const item of last.output) {
    if (item.type === "function_call" && pieces.get(item.id ?? "") !== item.arguments) {
      throw new Error(`the arguments of ${item.id} came as ${pieces.get(item.id ?? "")}`);
    }
  }
  // What was said on the way has no content by then.
  const message = last.output.findLast((item) => item.type === "message" && item.content.length > 0);
  return told(last, job, world, pieces.get(message?.id ?? "") ?? "");
}
