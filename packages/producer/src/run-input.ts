/**
 * What a waiting run is given before it goes on: results of the caller's own tools, a message of the user, or
 * both. The items keep what every model API enforces: each call has one result, and a user speaks only when no
 * call is left open.
 */
import {
  BatonError,
  contentPartSchema,
  describeIssues,
  ITEM_VERSION,
  type Item,
  isReply,
  type NewItem,
  type Run,
  type RunSpec,
  SPEC_LIMITS,
  type ToolCallPart,
} from "@baton/core";
import { z } from "zod";
import { contentParts, userItem } from "./first-items.ts";

const text = z.string().max(SPEC_LIMITS.inputCharsMax);

export const runInputSchema = z
  .strictObject({
    /** Results of calls that the run waits for; calls without one stay open. */
    tool_results: z
      .array(
        z.strictObject({
          tool_call_id: z.string().min(1).max(200),
          content: z.union([text, z.array(contentPartSchema)]),
          is_error: z.boolean().default(false),
        }),
      )
      .min(1, "the list is empty")
      .max(SPEC_LIMITS.messagesMax)
      .optional(),
    /** Said to the model by the user before it goes on. */
    message: z.union([text.min(1, "message is empty"), z.array(contentPartSchema).min(1)]).optional(),
  })
  .refine(
    (input) => input.tool_results !== undefined || input.message !== undefined,
    "give tool_results, a message, or both",
  );
/** In the wire's snake_case, as a spec is. */
export type RunInput = z.input<typeof runInputSchema>;
export type ParsedRunInput = z.infer<typeof runInputSchema>;

export function parseRunInput(value: unknown): ParsedRunInput {
  const parsed = runInputSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new BatonError("invalid_spec", `invalid input: ${describeIssues(parsed.error)}`, {
    cause: parsed.error,
  });
}

/** Calls of the last reply that have no result, in its order; none once the user has spoken after it. */
export function openCalls(items: readonly Item[]): readonly ToolCallPart[] {
  const index = items.findLastIndex(isReply);
  const later = items.slice(index + 1);
  if (index < 0 || later.some((item) => item.role === "user")) return [];
  const answered = new Set(
    later.flatMap((item) => item.parts.flatMap((part) => (part.type === "tool_result" ? [part.callId] : []))),
  );
  const calls = items[index]?.parts.filter((part) => part.type === "tool_call") ?? [];
  return calls.filter((call) => !answered.has(call.callId));
}

/** Those of `calls` that only the caller can answer. */
export function clientCallsOf(spec: RunSpec, calls: readonly ToolCallPart[]): readonly ToolCallPart[] {
  const own = new Set(
    (spec.tools ?? []).flatMap((tool) => (typeof tool === "string" ? [] : [tool.function.name])),
  );
  return calls.filter((call) => own.has(call.name));
}

/**
 * The items by which `input` continues the log of `run`, given its end from the last reply on. Throws
 * `invalid_spec` for a result that nothing waits for, and for a message that would leave such a call open.
 */
export function inputItems(
  run: Run,
  spec: RunSpec,
  tail: readonly Item[],
  input: ParsedRunInput,
  at: number,
): readonly Item[] {
  const open = openCalls(tail);
  const waiting = new Map(clientCallsOf(spec, open).map((call) => [call.callId, call]));
  const items: NewItem[] = [];
  for (const result of input.tool_results ?? []) {
    const call = waiting.get(result.tool_call_id);
    if (call === undefined) {
      throw new BatonError(
        "invalid_spec",
        `tool_results: run ${run.id} waits for no result of a call ${result.tool_call_id}`,
        { fields: { runId: run.id, callId: result.tool_call_id } },
      );
    }
    waiting.delete(call.callId);
    items.push(resultItem(call, result.content, result.is_error));
  }
  if (input.message !== undefined) {
    if (waiting.size > 0) {
      throw new BatonError(
        "invalid_spec",
        `message: run ${run.id} waits for results of ${[...waiting.keys()].join(", ")}: give them first, or along with it`,
        { fields: { runId: run.id } },
      );
    }
    const answered = new Set((input.tool_results ?? []).map((result) => result.tool_call_id));
    items.push(...closingItems(open.filter((call) => !answered.has(call.callId))));
    items.push(userItem(input.message));
  }
  return placeItems(run, items, at);
}

/** Results for calls that nobody will answer any more, because the conversation goes on past them. */
export function closingItems(open: readonly ToolCallPart[]): readonly NewItem[] {
  return open.map((call) =>
    resultItem(
      call,
      "No result: the run was stopped before this call was done, and goes on past it. It may or may not have taken effect.",
      true,
    ),
  );
}

/** Items in their places at the end of the log of `run`, as its record says it is. */
export function placeItems(run: Run, items: readonly NewItem[], at: number): readonly Item[] {
  const phase = run.phases.at(-1)?.seq ?? 0;
  return items.map((item, index) => ({
    v: ITEM_VERSION,
    seq: run.items + index,
    phase,
    epoch: run.epoch,
    at,
    ...item,
  }));
}

function resultItem(call: ToolCallPart, content: ParsedToolResult["content"], isError: boolean): NewItem {
  const { callId, name } = call;
  return {
    role: "tool",
    parts: [{ type: "tool_result", callId, name, isError, content: contentParts(content) }],
  };
}

type ParsedToolResult = NonNullable<ParsedRunInput["tool_results"]>[number];
