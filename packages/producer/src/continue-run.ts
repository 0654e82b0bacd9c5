/**
 * A run that takes an earlier one up where it ended with calls of its caller's own functions (`client_tools: "end"`).
 * The caller brings its messages with the results. What it never saw of the earlier run, such as the models' reasoning
 * and what tools of servers gave, stands in that run's conversation, so the new one begins with that instead of the
 * messages, and with the model that made the calls.
 */
import { isDeepStrictEqual } from "node:util";
import {
  ITEM_VERSION,
  type Item,
  isReply,
  type Message,
  type ModelId,
  modelsOf,
  type NewItem,
  type Run,
  type RunSpec,
  type ToolCallPart,
} from "@baton/core";
import { messageItems } from "./first-items.ts";
import { clientCallsOf, closingItems, openCalls } from "./run-input.ts";

export interface Continuation {
  readonly items: readonly Item[];
  /** How many of them are the other run's. */
  readonly shared: number;
  readonly pool: ModelId;
  readonly phase: number;
}

/**
 * How `spec` takes `run` up; undefined when it does not: its last message of an assistant makes other calls than the run
 * ended with, in name or arguments, a call has no result, or the model that made them is not among its models. Whether
 * the messages before are those of the run is for the caller to know.
 */
export function planContinuation(
  run: Run,
  prior: RunSpec,
  conversation: readonly Item[],
  spec: RunSpec,
  now: number,
): Continuation | undefined {
  const messages = spec.messages ?? [];
  const place = messages.findLastIndex(({ role }) => role === "assistant");
  const last = conversation.findLast(isReply);
  const pool = last?.origin?.model;
  const open = openCalls(conversation);
  const waiting = clientCallsOf(prior, open);
  const given = callsIn(messages[place]);
  if (run.status !== "succeeded" || last === undefined || pool === undefined || waiting.length === 0)
    return undefined;
  if (!modelsOf(spec).some(({ model }) => model === pool)) return undefined;
  const isSame =
    given.length === waiting.length && given.every((made, index) => isSameCall(made, waiting[index]));
  if (!isSame) return undefined;
  const rest = messages.slice(place + 1).map((message): Message => {
    if (message.role !== "tool") return message;
    // The caller's ids of the calls are told by their order; the log keeps those of the model.
    const index = given.findIndex(({ callId }) => callId === message.tool_call_id);
    return { ...message, tool_call_id: waiting[index]?.callId ?? message.tool_call_id };
  });
  const answered = new Set(
    rest.flatMap((message) => (message.role === "tool" ? [message.tool_call_id] : [])),
  );
  if (!waiting.every(({ callId }) => answered.has(callId)) || answered.size > waiting.length)
    return undefined;
  const detail = { run: run.id, at: conversation.length - 1, model: pool };
  const added: NewItem[] = [
    ...closingItems(open.filter(({ callId }) => !answered.has(callId))),
    ...messageItems(rest, new Map(waiting.map(({ callId, name }) => [callId, name]))),
    { role: "control", parts: [{ type: "record", act: "fork", detail }] },
  ];
  const own = added.map((item, index) => ({
    ...({ v: ITEM_VERSION, seq: conversation.length + index, phase: last.phase, epoch: 0, at: now } as const),
    ...item,
  }));
  return {
    // Epochs count the claims of one run; none of this one has written these items.
    items: [...conversation.map((item) => ({ ...item, epoch: 0 })), ...own],
    shared: conversation.length,
    pool,
    phase: last.phase,
  };
}

function callsIn(message: Message | undefined): readonly ToolCallPart[] {
  const items = message?.role === "assistant" ? messageItems([message]) : [];
  return items.flatMap(({ parts }) => parts.filter((part) => part.type === "tool_call"));
}

/** Ids are the caller's own. Who edited the arguments has results of other calls than those that were made. */
function isSameCall(given: ToolCallPart, made: ToolCallPart | undefined): boolean {
  return made !== undefined && given.name === made.name && isDeepStrictEqual(given.arguments, made.arguments);
}
