/**
 * Reads a streamed reply of OpenAI's Responses API back into parts, one part for each output item. Items are
 * taken from `response.output_item.done`: only there is the encrypted reasoning complete. An item is kept whole
 * in `native` when it has to go back whole: with sealed reasoning in the reply, whose ids hang together.
 */
import { type ModelDelta, NO_USAGE, type Part, type StopReason, type Usage } from "@baton/core";
import { z } from "zod";
import { eventJson, eventOf } from "../event-json.ts";
import { bodyError, type CallContext, protocolFailure, providerFailure } from "../failure.ts";
import { parseArguments } from "../parse-arguments.ts";
import type { SseEvent } from "../sse.ts";
import type { ReadReply, StreamReader } from "../stream-call.ts";
import { tokenCount } from "../token-count.ts";

const itemSchema = z.looseObject({ type: z.string() });
type OutputItem = z.infer<typeof itemSchema>;

const responseSchema = z.looseObject({
  id: z.string().optional(),
  model: z.string().optional().catch(undefined),
  output: z.array(itemSchema).nullish(),
  incomplete_details: z.looseObject({ reason: z.string().nullish() }).nullish(),
  usage: z
    .looseObject({
      input_tokens: tokenCount,
      output_tokens: tokenCount,
      input_tokens_details: z
        .looseObject({ cached_tokens: tokenCount, cache_write_tokens: tokenCount })
        .nullish(),
      output_tokens_details: z.looseObject({ reasoning_tokens: tokenCount }).nullish(),
    })
    .nullish(),
});
type EndOfResponse = z.infer<typeof responseSchema>;

const typed = z.looseObject({ type: z.string() });
const withDelta = z.looseObject({ delta: z.string() });
const withItem = z.looseObject({ output_index: z.int().min(0).optional(), item: itemSchema });
const withResponse = z.looseObject({ response: responseSchema });
const summaryPart = z.looseObject({ summary_index: z.number().optional() });

export function responsesReader(context: CallContext, onDelta: (delta: ModelDelta) => void): StreamReader {
  const items = new Map<number, OutputItem>();
  let responseId: string | undefined;
  let end: { readonly response: EndOfResponse; readonly incomplete: boolean } | undefined;

  const read = (value: unknown, type: string): boolean => {
    switch (type) {
      case "response.created":
        responseId = eventOf(withResponse, value, context).response.id;
        return false;
      case "response.output_text.delta":
      case "response.refusal.delta":
        onDelta({ kind: "text", text: eventOf(withDelta, value, context).delta });
        return false;
      case "response.reasoning_summary_text.delta":
      case "response.reasoning_text.delta":
        onDelta({ kind: "reasoning", text: eventOf(withDelta, value, context).delta });
        return false;
      case "response.reasoning_summary_part.added":
        if ((eventOf(summaryPart, value, context).summary_index ?? 0) > 0) {
          onDelta({ kind: "reasoning", text: "\n\n" });
        }
        return false;
      case "response.output_item.added": {
        const call = functionCall.safeParse(eventOf(withItem, value, context).item);
        if (call.success) onDelta({ kind: "tool_call", callId: call.data.call_id, name: call.data.name });
        return false;
      }
      case "response.output_item.done": {
        const { output_index, item } = eventOf(withItem, value, context);
        items.set(output_index ?? items.size, item);
        return false;
      }
      case "response.completed":
      case "response.incomplete":
        end = {
          response: eventOf(withResponse, value, context).response,
          incomplete: type === "response.incomplete",
        };
        return true;
      case "response.failed":
      case "response.cancelled":
      case "error":
        throw providerFailure(errorOf(value), context);
      default:
        // Events that came up after this was written are passed over.
        return false;
    }
  };

  return {
    read: (event: SseEvent) => {
      if (event.data === "[DONE]") return false;
      const value = eventJson(event.data, context);
      return read(value, eventOf(typed, value, context).type);
    },
    mayEnd: () => false,
    reply: () => {
      if (end === undefined) throw protocolFailure("ended its reply before it was whole", context);
      return replyOf(items, end.response, end.incomplete, end.response.id ?? responseId);
    },
  };
}

/** `error` events carry code and message themselves or in `error`; failed responses in `response.error`. */
function errorOf(value: unknown): ReturnType<typeof bodyError> {
  const failed = z.looseObject({ response: z.looseObject({ error: z.unknown() }) }).safeParse(value);
  const error = bodyError(failed.success ? failed.data.response.error : value);
  // The event's own type says nothing more than that it is an error.
  return error.type === "error" ? { ...error, type: undefined } : error;
}

function replyOf(
  done: ReadonlyMap<number, OutputItem>,
  response: EndOfResponse,
  incomplete: boolean,
  responseId: string | undefined,
): ReadReply {
  const all = new Map<number, OutputItem>((response.output ?? []).entries());
  for (const [index, item] of done) all.set(index, item);
  const items = [...all.entries()].sort(([a], [b]) => a - b).map(([, item]) => item);
  const sealed = items.some((item) => sealedReasoning.safeParse(item).success);
  const parts = items.flatMap((item) => partOf(item, sealed));
  const refused = items.some((item) => contentOf(item).some((part) => part.refusal !== undefined));
  return {
    parts,
    stopReason: stopReasonOf(response, incomplete, refused),
    usage: usageOf(response.usage),
    responseId,
    answeredBy: response.model,
  };
}

const sealedReasoning = z.looseObject({ type: z.literal("reasoning"), encrypted_content: z.string().min(1) });
const functionCall = z.looseObject({
  type: z.literal("function_call"),
  call_id: z.string(),
  name: z.string(),
  arguments: z.string().catch(""),
});
const textItem = z.looseObject({ text: z.string().optional(), refusal: z.string().optional() });
const texts = z.array(textItem).catch([]);
const phased = z.looseObject({ phase: z.string() });

function contentOf(item: OutputItem): z.infer<typeof texts> {
  return item.type === "message" ? texts.parse(item.content) : [];
}

function partOf(item: OutputItem, sealed: boolean): Part[] {
  switch (item.type) {
    case "message": {
      const text = contentOf(item)
        .map((part) => part.text ?? part.refusal ?? "")
        .join("");
      if (sealed || phased.safeParse(item).success) return [{ type: "text", text, native: item }];
      return text === "" ? [] : [{ type: "text", text }];
    }
    case "reasoning": {
      const summary = texts.parse(item.summary);
      const shown = summary.length > 0 ? summary : texts.parse(item.content);
      const text = shown.map((part) => part.text ?? "").join("\n\n");
      return [
        { type: "reasoning", text, ...(sealedReasoning.safeParse(item).success ? { native: item } : {}) },
      ];
    }
    case "function_call": {
      const call = functionCall.safeParse(item);
      if (!call.success) return [];
      return [
        {
          type: "tool_call",
          callId: call.data.call_id,
          name: call.data.name,
          arguments: parseArguments(call.data.arguments),
          ...(sealed ? { native: item } : {}),
        },
      ];
    }
    default:
      return [{ type: "reasoning", text: "", native: item }];
  }
}

function stopReasonOf(response: EndOfResponse, incomplete: boolean, refused: boolean): StopReason {
  if (!incomplete) return refused ? "refusal" : "end";
  return response.incomplete_details?.reason === "content_filter" ? "content_filter" : "length";
}

function usageOf(usage: EndOfResponse["usage"]): Usage {
  if (usage === undefined || usage === null) return NO_USAGE;
  return {
    inputTokens: usage.input_tokens,
    cachedInputTokens: usage.input_tokens_details?.cached_tokens ?? 0,
    cacheWriteTokens: usage.input_tokens_details?.cache_write_tokens ?? 0,
    outputTokens: usage.output_tokens,
    reasoningTokens: usage.output_tokens_details?.reasoning_tokens ?? 0,
  };
}
