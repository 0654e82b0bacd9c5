/**
 * Reads a streamed reply of Anthropic's Messages API back into parts. Thinking keeps its block word for word in
 * `native`, signature and all; a block whose signature did not come cannot go back, and has none. Blocks of
 * kinds that are not known here ride along as reasoning without text, for the same model alone.
 */
import type { ModelDelta, Part, StopReason, Usage } from "@baton/core";
import { z } from "zod";
import { eventJson, eventOf } from "../event-json.ts";
import { bodyError, type CallContext, protocolFailure, providerFailure } from "../failure.ts";
import { isRecord, parseArguments } from "../parse-arguments.ts";
import type { SseEvent } from "../sse.ts";
import type { StreamReader } from "../stream-call.ts";
import { tokenCount } from "../token-count.ts";

const usageSchema = z.looseObject({
  input_tokens: z.unknown().optional(),
  output_tokens: z.unknown().optional(),
  cache_creation_input_tokens: z.unknown().optional(),
  cache_read_input_tokens: z.unknown().optional(),
  output_tokens_details: z.looseObject({ thinking_tokens: tokenCount }).nullish().catch(undefined),
});

const eventSchema = z.discriminatedUnion("type", [
  z.looseObject({
    type: z.literal("message_start"),
    message: z.looseObject({
      id: z.string().optional(),
      model: z.string().optional().catch(undefined),
      usage: usageSchema.nullish(),
    }),
  }),
  z.looseObject({
    type: z.literal("content_block_start"),
    index: z.int().min(0),
    content_block: z.looseObject({ type: z.string() }),
  }),
  z.looseObject({
    type: z.literal("content_block_delta"),
    index: z.int().min(0),
    delta: z.looseObject({ type: z.string() }),
  }),
  z.looseObject({
    type: z.literal("message_delta"),
    delta: z.looseObject({ stop_reason: z.string().nullish() }),
    usage: usageSchema.nullish(),
  }),
  z.looseObject({ type: z.literal("message_stop") }),
  z.looseObject({ type: z.literal("error") }),
]);
type Event = z.infer<typeof eventSchema>;
const typed = z.looseObject({ type: z.string() });
const KNOWN = new Set(eventSchema.options.map((option) => option.shape.type.value as string));

interface Block {
  readonly start: Readonly<Record<string, unknown>>;
  readonly text: string[];
  readonly json: string[];
  readonly signature: string[];
}

export function messagesReader(context: CallContext, onDelta: (delta: ModelDelta) => void): StreamReader {
  const blocks = new Map<number, Block>();
  const usage: Record<string, number> = {};
  let responseId: string | undefined;
  let answeredBy: string | undefined;
  let stopReason: string | undefined;

  const take = (event: Event): boolean => {
    switch (event.type) {
      case "message_start":
        responseId = event.message.id;
        answeredBy = event.message.model;
        keepCounts(usage, event.message.usage);
        return false;
      case "content_block_start":
        blocks.set(event.index, startBlock(event.content_block, onDelta));
        return false;
      case "content_block_delta": {
        const block = blocks.get(event.index);
        if (block === undefined) throw protocolFailure("sent a delta of a block that never began", context);
        addDelta(block, event.delta, onDelta);
        return false;
      }
      case "message_delta":
        stopReason = event.delta.stop_reason ?? stopReason;
        keepCounts(usage, event.usage);
        return false;
      case "message_stop":
        return true;
      case "error":
        throw providerFailure(bodyError(event), context);
    }
  };

  return {
    read: (event: SseEvent) => {
      const value = eventJson(event.data, context);
      // Pings, and events that came up after this was written, are passed over, as the API asks for.
      if (!KNOWN.has(eventOf(typed, value, context).type)) return false;
      return take(eventOf(eventSchema, value, context));
    },
    mayEnd: () => false,
    reply: () => ({
      parts: [...blocks.entries()].sort(([a], [b]) => a - b).flatMap(([, block]) => partsOf(block)),
      stopReason: stopReasonOf(stopReason),
      usage: usageOf(usage),
      responseId,
      answeredBy,
    }),
  };
}

const string = (value: unknown) => (typeof value === "string" ? value : "");

function startBlock(start: Record<string, unknown>, onDelta: (delta: ModelDelta) => void): Block {
  const text = string(start.text);
  const thinking = string(start.thinking);
  if (text !== "") onDelta({ kind: "text", text });
  if (thinking !== "") onDelta({ kind: "reasoning", text: thinking });
  if (start.type === "tool_use") {
    onDelta({ kind: "tool_call", callId: string(start.id), name: string(start.name) });
  }
  return { start, text: [text, thinking], json: [], signature: [string(start.signature)] };
}

function addDelta(
  block: Block,
  delta: Readonly<Record<string, unknown>>,
  onDelta: (delta: ModelDelta) => void,
): void {
  switch (delta.type) {
    case "text_delta":
      block.text.push(string(delta.text));
      onDelta({ kind: "text", text: string(delta.text) });
      return;
    case "thinking_delta":
      block.text.push(string(delta.thinking));
      onDelta({ kind: "reasoning", text: string(delta.thinking) });
      return;
    case "signature_delta":
      block.signature.push(string(delta.signature));
      return;
    case "input_json_delta":
      block.json.push(string(delta.partial_json));
      return;
  }
}

function partsOf({ start, text, json, signature }: Block): Part[] {
  const whole = text.join("");
  switch (start.type) {
    case "text":
      return whole === "" ? [] : [{ type: "text", text: whole }];
    case "thinking": {
      const sealed = signature.join("");
      const native = { ...start, thinking: whole, signature: sealed };
      return [{ type: "reasoning", text: whole, ...(sealed === "" ? {} : { native }) }];
    }
    case "tool_use": {
      const { id, name } = start;
      return [
        { type: "tool_call", callId: string(id), name: string(name), arguments: inputOf(start.input, json) },
      ];
    }
    case "redacted_thinking":
      return [{ type: "reasoning", text: "", native: start }];
    default: {
      const input = json.length === 0 ? undefined : inputOf(start.input, json);
      const native = input?.kind === "object" ? { ...start, input: input.value } : start;
      return [{ type: "reasoning", text: "", native }];
    }
  }
}

function inputOf(start: unknown, json: readonly string[]): ReturnType<typeof parseArguments> {
  const raw = json.join("");
  return raw === "" && isRecord(start) ? { kind: "object", value: start } : parseArguments(raw);
}

function stopReasonOf(reason: string | undefined): StopReason {
  switch (reason) {
    case "tool_use":
      return "tool_use";
    case "max_tokens":
      return "length";
    case "refusal":
      return "refusal";
    case "pause_turn":
      return "pause_turn";
    case "model_context_window_exceeded":
      return "context_exceeded";
    default:
      return "end";
  }
}

/** Counts are cumulative: the last one told of each kind holds. */
function keepCounts(
  counts: Record<string, number>,
  usage: z.infer<typeof usageSchema> | null | undefined,
): void {
  for (const key of COUNTS) {
    const value = usage?.[key];
    if (typeof value === "number") counts[key] = tokenCount.parse(value);
  }
  const thinking = usage?.output_tokens_details?.thinking_tokens;
  if (thinking !== undefined) counts.thinking_tokens = thinking;
}

const COUNTS = [
  "input_tokens",
  "output_tokens",
  "cache_creation_input_tokens",
  "cache_read_input_tokens",
] as const;

/** The API counts what was cached apart from the rest of the input; Baton counts all of it as input. */
function usageOf(counts: Readonly<Record<string, number>>): Usage {
  const read = counts.cache_read_input_tokens ?? 0;
  const written = counts.cache_creation_input_tokens ?? 0;
  return {
    inputTokens: (counts.input_tokens ?? 0) + read + written,
    cachedInputTokens: read,
    cacheWriteTokens: written,
    outputTokens: counts.output_tokens ?? 0,
    reasoningTokens: counts.thinking_tokens ?? 0,
  };
}
