/**
 * Conversations of several models as runs leave them in the log, made out of a plain description: stretches of
 * turns with tool calls, handoffs between them, results in any order or missing, each vendor's own blocks.
 */
import type { Item, ModelId, NewItem, Part, ToolResultPart } from "@baton/core";
import { apiOf, handoff, log } from "./items.ts";

/** Stands in every reasoning text, so that a leak is seen. */
export const THOUGHT = "THOUGHT";

export interface CallSpec {
  readonly id: string;
  readonly name: string;
  readonly invalid: boolean;
  readonly answer: "ok" | "error" | "none";
  readonly text: string;
  readonly file: (Part & { type: "file" }) | undefined;
}

export interface TurnSpec {
  readonly text: string;
  readonly reasoning: "none" | "sealed" | "open" | "redacted";
  readonly calls: readonly CallSpec[];
  /** It was cut off while it thought on. */
  readonly thinksOn: boolean;
  /** The results come in the other order. */
  readonly reversed: boolean;
  /** The results stand in one item. */
  readonly oneItem: boolean;
  /** What a user says after it. */
  readonly user: { readonly text: string; readonly file: (Part & { type: "file" }) | undefined } | undefined;
}

export interface ConversationSpec {
  readonly opening: string;
  readonly stretches: readonly {
    readonly model: ModelId;
    readonly turns: readonly TurnSpec[];
    /** The next model takes over without a handoff, as at a retry with another model. */
    readonly silent: boolean;
  }[];
  /** The turns of the model that is to be called next. */
  readonly own: readonly TurnSpec[];
}

export function conversation(model: ModelId, { opening, stretches, own }: ConversationSpec): Item[] {
  const items: NewItem[] = [{ role: "user", parts: [{ type: "text", text: opening }] }];
  let replies = 0;
  const add = (turn: TurnSpec, by: ModelId) => {
    replies += 1;
    items.push(...itemsOf(turn, by, replies));
  };
  for (const [index, stretch] of stretches.entries()) {
    for (const turn of stretch.turns) add(turn, stretch.model);
    if (!stretch.silent) items.push(handoff(stretch.model, stretches[index + 1]?.model ?? model));
  }
  for (const turn of own) add(turn, model);
  return log(...items);
}

function itemsOf(turn: TurnSpec, model: ModelId, reply: number): NewItem[] {
  const api = apiOf(model);
  const sealed = turn.reasoning === "sealed" && api === "openai-responses";
  const tag = `${sealed ? "R" : "P"}${reply}`;
  const parts: Part[] = [
    ...reasoningOf(turn, api, tag, 0),
    ...textOf(turn.text, sealed, tag),
    ...turn.calls.map((call, index) => callOf(call, sealed, `${tag}_${index + 2}`)),
    ...(turn.thinksOn ? reasoningOf(turn, api, tag, 9) : []),
  ];
  const origin = { provider: model.slice(0, model.indexOf("/")), api, model };
  const assistant: NewItem = { role: "assistant", parts, origin, stopReason: "end" };
  const user: NewItem[] =
    turn.user === undefined
      ? []
      : [
          {
            role: "user",
            parts: [
              { type: "text", text: turn.user.text },
              ...(turn.user.file === undefined ? [] : [turn.user.file]),
            ],
          },
        ];
  return [assistant, ...resultsOf(turn), ...user];
}

function reasoningOf(turn: TurnSpec, api: ReturnType<typeof apiOf>, tag: string, place: number): Part[] {
  if (turn.reasoning === "none") return [];
  const thought = `${THOUGHT} ${tag}`;
  if (turn.reasoning === "open") return [{ type: "reasoning", text: thought }];
  if (api === "anthropic-messages") {
    return turn.reasoning === "redacted"
      ? [{ type: "reasoning", text: "", native: { type: "redacted_thinking", data: `sealed ${tag}` } }]
      : [
          {
            type: "reasoning",
            text: thought,
            native: { type: "thinking", thinking: thought, signature: `signed ${tag}` },
          },
        ];
  }
  if (api === "openai-chat" || turn.reasoning === "redacted") return [{ type: "reasoning", text: thought }];
  const native = {
    type: "reasoning",
    id: `rs_${tag}_${place}`,
    summary: [],
    encrypted_content: `sealed ${tag}`,
  };
  return [{ type: "reasoning", text: thought, native }];
}

function textOf(words: string, sealed: boolean, tag: string): Part[] {
  if (words === "") return [];
  const content = [{ type: "output_text", text: words, annotations: [] }];
  const native = { type: "message", id: `msg_${tag}_1`, role: "assistant", status: "completed", content };
  return [{ type: "text", text: words, ...(sealed ? { native } : {}) }];
}

function callOf(call: CallSpec, sealed: boolean, id: string): Part {
  const value = { a: call.text };
  const native = {
    type: "function_call",
    id: `fc_${id}`,
    call_id: call.id,
    name: "look",
    arguments: JSON.stringify(value),
    status: "completed",
  };
  return {
    type: "tool_call",
    callId: call.id,
    name: call.name,
    arguments: call.invalid ? { kind: "invalid", raw: '{"a": ' } : { kind: "object", value },
    ...(sealed && !call.invalid ? { native } : {}),
  };
}

function resultsOf(turn: TurnSpec): NewItem[] {
  const results = turn.calls
    .filter((call) => call.answer !== "none")
    .map(
      (call): ToolResultPart => ({
        type: "tool_result",
        callId: call.id,
        name: call.name,
        isError: call.answer === "error",
        content: [{ type: "text", text: call.text }, ...(call.file === undefined ? [] : [call.file])],
      }),
    );
  if (turn.reversed) results.reverse();
  if (results.length === 0) return [];
  const marker: NewItem = { role: "control", parts: [{ type: "tool_started", callId: "x" }] };
  return turn.oneItem
    ? [marker, { role: "tool", parts: results }]
    : results.map((part) => ({ role: "tool", parts: [part] }));
}
