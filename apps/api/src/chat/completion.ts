/** The answer to a request that is not streamed: OpenAI's `chat.completion`, with what Dedalus and Baton add. */
import type { Item, Run, RunSpec } from "@baton/core";
import { z } from "zod";
import { callIdsOf } from "../answers/call-ids.ts";
import {
  completionUsage,
  completionUsageSchema,
  extrasOf,
  extrasShape,
} from "../answers/completion-extras.ts";
import { answerOf, argumentsText } from "../answers/run-ending.ts";

export const toolCallSchema = z.object({
  id: z.string(),
  type: z.literal("function"),
  function: z.object({ name: z.string(), arguments: z.string() }),
});

export const completionSchema = z.object({
  /** The run's id. */
  id: z.string(),
  object: z.literal("chat.completion"),
  /** Seconds since 1970. */
  created: z.int(),
  /** The model that spoke last. */
  model: z.string(),
  choices: z.array(
    z.object({
      index: z.literal(0),
      message: z.object({
        role: z.literal("assistant"),
        content: z.string().nullable(),
        refusal: z.string().nullable(),
        tool_calls: z.array(toolCallSchema).optional(),
      }),
      logprobs: z.null(),
      finish_reason: z.enum(["stop", "length", "tool_calls", "content_filter"]),
    }),
  ),
  /** Of the whole run. */
  usage: completionUsageSchema,
  ...extrasShape,
});
export type Completion = z.infer<typeof completionSchema>;

/** `isStopping`: the run is told as it is because the API stops. Throws an `OpenAiProblem` when it has no answer. */
export function completionOf(
  run: Run,
  spec: RunSpec,
  items: readonly Item[],
  isStopping: boolean,
): Completion {
  const { model, text, refusal, calls, finishReason } = answerOf(run, spec, items, isStopping);
  const callIds = callIdsOf(run.id, spec, items);
  const tool_calls = calls.map((call, place) => ({
    id: callIds(place),
    type: "function" as const,
    function: { name: call.name, arguments: argumentsText(call) },
  }));
  const isSilent = text === "" && (refusal !== null || calls.length > 0);
  return {
    id: run.id,
    object: "chat.completion",
    created: Math.floor(run.createdAt / 1_000),
    model,
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: isSilent ? null : text,
          refusal,
          ...(tool_calls.length === 0 ? {} : { tool_calls }),
        },
        logprobs: null,
        finish_reason: finishReason,
      },
    ],
    usage: completionUsage(run.usage),
    ...extrasOf(run, spec, items),
  };
}
