/**
 * Reads a streamed reply of the Chat Completions API back into parts, from OpenAI or from any server that speaks
 * it. Tolerated: no usage, no ids, unnumbered calls, arguments as objects, reasoning in `reasoning_content` or
 * `reasoning`, content in pieces, an end without `[DONE]` after a finish reason, errors as a chunk.
 */
import { type ModelDelta, NO_USAGE, type Part, type StopReason, type Usage } from "@baton/core";
import { z } from "zod";
import { eventJson, eventOf } from "../event-json.ts";
import { bodyError, type CallContext, providerFailure } from "../failure.ts";
import type { SseEvent } from "../sse.ts";
import type { StreamReader } from "../stream-call.ts";
import { tokenCount } from "../token-count.ts";
import { callDrafts } from "./tool-call-drafts.ts";

const contentPieces = z.union([
  z.string(),
  z.array(
    z.union([
      z.looseObject({ type: z.literal("text"), text: z.string() }),
      z.unknown().transform(() => null),
    ]),
  ),
]);

const callDelta = z.looseObject({
  index: z.int().nullish().catch(undefined),
  id: z.string().nullish().catch(undefined),
  function: z.looseObject({ name: z.string().nullish(), arguments: z.unknown().optional() }).nullish(),
});

const deltaSchema = z.looseObject({
  content: contentPieces.nullish().catch(undefined),
  refusal: z.string().nullish().catch(undefined),
  reasoning_content: z.string().nullish().catch(undefined),
  reasoning: z.string().nullish().catch(undefined),
  tool_calls: z.array(callDelta).nullish(),
});

const usageSchema = z.looseObject({
  prompt_tokens: tokenCount,
  completion_tokens: tokenCount,
  total_tokens: tokenCount,
  prompt_cache_hit_tokens: tokenCount,
  prompt_tokens_details: z
    .looseObject({ cached_tokens: tokenCount, cache_write_tokens: tokenCount })
    .nullish()
    .catch(undefined),
  completion_tokens_details: z.looseObject({ reasoning_tokens: tokenCount }).nullish().catch(undefined),
});

const chunkSchema = z.looseObject({
  id: z.string().nullish().catch(undefined),
  model: z.string().nullish().catch(undefined),
  error: z.unknown().optional(),
  usage: usageSchema.nullish().catch(undefined),
  choices: z
    .array(
      z.looseObject({
        index: z.int().nullish(),
        delta: deltaSchema.nullish(),
        finish_reason: z.string().nullish(),
      }),
    )
    .nullish(),
});

export interface ChatReaderOptions {
  readonly context: CallContext;
  readonly onDelta: (delta: ModelDelta) => void;
  /** Names the nth call of the reply when the server gave it no id: unique in the conversation. */
  readonly spareId: (ordinal: number) => string;
  /** Whether the reasoning has to go back to the model, and so is kept for it. */
  readonly keepReasoning: boolean;
}

export function chatReader({ context, onDelta, spareId, keepReasoning }: ChatReaderOptions): StreamReader {
  const calls = callDrafts(spareId);
  const text: string[] = [];
  const reasoning: string[] = [];
  let reasoningField: "reasoning_content" | "reasoning" = "reasoning_content";
  let refused = false;
  let responseId: string | undefined;
  let answeredBy: string | undefined;
  let finish: string | undefined;
  let usage: Usage = NO_USAGE;

  const say = (piece: string | null | undefined) => {
    if (piece === undefined || piece === null || piece === "") return;
    text.push(piece);
    onDelta({ kind: "text", text: piece });
  };
  const think = (piece: string | null | undefined, field: typeof reasoningField) => {
    if (piece === undefined || piece === null || piece === "") return;
    reasoningField = field;
    reasoning.push(piece);
    onDelta({ kind: "reasoning", text: piece });
  };
  const take = (delta: z.infer<typeof deltaSchema>) => {
    // A server that fills both says the same in both.
    if (delta.reasoning_content) think(delta.reasoning_content, "reasoning_content");
    else think(delta.reasoning, "reasoning");
    if (typeof delta.content === "string") say(delta.content);
    else for (const piece of delta.content ?? []) say(piece?.text);
    refused ||= Boolean(delta.refusal);
    say(delta.refusal);
    for (const call of delta.tool_calls ?? []) {
      const begun = calls.add(call);
      if (begun !== undefined) onDelta({ kind: "tool_call", ...begun });
    }
  };

  return {
    read: (event: SseEvent) => {
      if (event.data.trim() === "[DONE]") return true;
      const chunk = eventOf(chunkSchema, eventJson(event.data, context), context);
      if (chunk.error !== undefined && chunk.error !== null) {
        throw providerFailure(bodyError(chunk.error), context);
      }
      responseId ??= chunk.id ?? undefined;
      answeredBy ??= chunk.model ?? undefined;
      if (chunk.usage) usage = usageOf(chunk.usage);
      for (const choice of chunk.choices ?? []) {
        if ((choice.index ?? 0) !== 0) continue;
        if (choice.delta) take(choice.delta);
        finish = choice.finish_reason ?? finish;
      }
      return false;
    },
    mayEnd: () => finish !== undefined,
    reply: () => ({
      parts: [
        ...reasoningParts(reasoning.join(""), keepReasoning ? reasoningField : undefined),
        ...(text.length === 0 ? [] : [{ type: "text" as const, text: text.join("") }]),
        ...calls.parts(),
      ],
      stopReason: refused ? "refusal" : stopReasonOf(finish),
      usage,
      responseId,
      answeredBy,
    }),
  };
}

function reasoningParts(text: string, field: string | undefined): Part[] {
  if (text === "") return [];
  const native = { type: "reasoning_content", field, text };
  return [{ type: "reasoning", text, ...(field === undefined ? {} : { native }) }];
}

function stopReasonOf(finish: string | undefined): StopReason {
  switch (finish) {
    case "tool_calls":
    case "function_call":
      return "tool_use";
    case "length":
    case "max_tokens":
      return "length";
    case "content_filter":
      return "content_filter";
    default:
      return "end";
  }
}

function usageOf(usage: z.infer<typeof usageSchema>): Usage {
  const { prompt_tokens, completion_tokens, total_tokens } = usage;
  const reasoningTokens = usage.completion_tokens_details?.reasoning_tokens ?? 0;
  // xAI counts reasoning beside the completion, not in it; the total tells.
  const beside = reasoningTokens > 0 && total_tokens === prompt_tokens + completion_tokens + reasoningTokens;
  return {
    inputTokens: prompt_tokens,
    cachedInputTokens: usage.prompt_tokens_details?.cached_tokens ?? usage.prompt_cache_hit_tokens,
    cacheWriteTokens: usage.prompt_tokens_details?.cache_write_tokens ?? 0,
    outputTokens: completion_tokens + (beside ? reasoningTokens : 0),
    reasoningTokens,
  };
}
