/**
 * The conversation as turns: what every API has in common, before it is rendered for one of them.
 *
 * Invariants:
 *   1. Each call carries its result; a call that has none in the log gets an error result. Results stand in the
 *      order of the calls, whatever order they came in.
 *   2. `live` turns are the model's own since control last came to it: only their `native` blocks go back.
 *      One that has been followed by a handoff or by another model never becomes live again.
 *   3. Two assistant turns never meet, and the last turn is a user's or has results: what is missing is filled
 *      in with a short user message. Nothing blank is left.
 *   4. Appending items only appends to what earlier items gave (prompt caches, and thinking that is bound to the
 *      words before it).
 */
import {
  type FilePart,
  handoffText,
  type Item,
  type ModelId,
  type Origin,
  type ReasoningPart,
  type TextPart,
  type ToolCallPart,
  type ToolResultPart,
} from "@baton/core";
import { z } from "zod";
import { fileNote } from "./file-part.ts";
import { wireIds, wireName } from "./wire-id.ts";

export interface WireCall {
  readonly type: "call";
  readonly id: string;
  readonly name: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly native: unknown;
  readonly result: WireResult;
}

export interface WireResult {
  readonly isError: boolean;
  readonly content: readonly (TextPart | FilePart)[];
}

export type UserPart = TextPart | FilePart;
export type AssistantPart = TextPart | ReasoningPart | WireCall;

export interface UserTurn {
  readonly kind: "user";
  readonly parts: readonly UserPart[];
}

export interface AssistantTurn {
  readonly kind: "assistant";
  readonly live: boolean;
  readonly parts: readonly AssistantPart[];
  readonly calls: readonly WireCall[];
  /** The model's server paused in the midst of a tool of its own: the turn goes back as it is, to be continued. */
  readonly paused: boolean;
}

export type Turn = UserTurn | AssistantTurn;

export const FILLER: UserTurn = { kind: "user", parts: [{ type: "text", text: "Continue." }] };
const OPENING: UserTurn = { kind: "user", parts: [{ type: "text", text: "Begin." }] };

/** The turns that `items` make for a call of `model` over `api`. */
export function turnsOf(items: readonly Item[], model: ModelId, api: Origin["api"]): readonly Turn[] {
  const isOwn = (item: Item) => item.origin?.model === model && item.origin.api === api;
  const boundary = items.findLastIndex(
    (item) =>
      (item.role === "assistant" && !isOwn(item)) || item.parts.some((part) => part.type === "handoff"),
  );
  const idOf = wireIds();
  const turns: Turn[] = [];
  /** Results that belong to a call of the last assistant item: they are part of its turn. */
  let claimed: ReadonlySet<ToolResultPart> = new Set();
  for (const [index, item] of items.entries()) {
    if (item.role !== "assistant") {
      addUserTurn(turns, userParts(item, claimed));
      continue;
    }
    const results = resultsAfter(items, index);
    claimed = results.claimed;
    addAssistantTurn(
      turns,
      assistantTurn(item, { own: isOwn(item), live: index > boundary }, results.take, idOf),
    );
  }
  return closed(turns);
}

function addUserTurn(turns: Turn[], parts: readonly UserPart[]): void {
  if (parts.length > 0) turns.push({ kind: "user", parts });
}

function addAssistantTurn(turns: Turn[], turn: AssistantTurn): void {
  if (says(turn)) turns.push(turn);
}

/** A turn of nothing but thinking says nothing: no API takes it back. */
function says(turn: AssistantTurn): boolean {
  return turn.parts.some(
    (part) =>
      part.type === "call" ||
      (part.type === "text" && !isBlank(part.text)) ||
      (part.type === "reasoning" && turn.live && isOpaque(part)),
  );
}

export function isBlank(text: string): boolean {
  return text.trim() === "";
}

const nativeType = z.looseObject({ type: z.string() });
const THINKING = new Set(["thinking", "redacted_thinking", "reasoning", "reasoning_content"]);

/** A block of the vendor's own kind, such as a tool that its server ran: kept for that vendor, unknown to us. */
export function isOpaque(part: ReasoningPart): boolean {
  const native = nativeType.safeParse(part.native);
  return native.success && !THINKING.has(native.data.type);
}

interface ResultsAfter {
  readonly take: (callId: string) => ToolResultPart | undefined;
  readonly claimed: ReadonlySet<ToolResultPart>;
}

/** The results between an assistant item and the next one, handed out by call id in the order they came. */
function resultsAfter(items: readonly Item[], index: number): ResultsAfter {
  const item = items[index];
  const waiting = new Map<string, ToolResultPart[]>();
  for (const part of item?.parts ?? []) if (part.type === "tool_call") waiting.set(part.callId, []);
  const claimed = new Set<ToolResultPart>();
  for (let next = index + 1; next < items.length && items[next]?.role !== "assistant"; next += 1) {
    for (const part of items[next]?.parts ?? []) {
      if (part.type !== "tool_result") continue;
      const queue = waiting.get(part.callId);
      if (queue === undefined) continue;
      queue.push(part);
      claimed.add(part);
    }
  }
  return { take: (callId) => waiting.get(callId)?.shift(), claimed };
}

function userParts(item: Item, claimed: ReadonlySet<ToolResultPart>): readonly UserPart[] {
  const parts: UserPart[] = [];
  for (const part of item.parts) {
    if (part.type === "handoff") parts.push({ type: "text", text: handoffText(part) });
    if (item.role === "control") continue;
    if (part.type === "file") parts.push(part);
    if (part.type === "text" && !isBlank(part.text)) parts.push({ type: "text", text: part.text });
    // A result without a call before it, as after a cut: told in words, since no API takes it as a result.
    if (part.type === "tool_result" && !claimed.has(part)) {
      parts.push({ type: "text", text: `Result of the tool ${part.name}:` }, ...shown(part).content);
    }
  }
  return parts;
}

function assistantTurn(
  item: Item,
  { own, live }: { readonly own: boolean; readonly live: boolean },
  takeResult: (callId: string) => ToolResultPart | undefined,
  idOf: (callId: string) => string,
): AssistantTurn {
  const parts: AssistantPart[] = [];
  for (const part of item.parts) {
    switch (part.type) {
      case "text":
        // Blank text stays where the vendor's own block goes back with it.
        if (!isBlank(part.text) || (live && part.native !== undefined)) {
          parts.push(own ? part : { type: "text", text: part.text });
        }
        break;
      case "file":
        parts.push({ type: "text", text: fileNote(part, "a model made it") });
        break;
      case "reasoning":
        if (live) parts.push(part);
        break;
      case "tool_call":
        parts.push(wireCall(part, idOf(part.callId), takeResult(part.callId), live));
        break;
      case "tool_result":
      case "tool_started":
      case "handoff":
      case "record":
        break;
    }
  }
  const calls = parts.filter((part) => part.type === "call");
  return { kind: "assistant", live, parts, calls, paused: live && isPaused(item, parts) };
}

const serverToolUse = z.looseObject({ type: z.literal("server_tool_use"), id: z.string() });
const serverToolResult = z.looseObject({ tool_use_id: z.string() });

function isPaused(item: Item, parts: readonly AssistantPart[]): boolean {
  if (item.stopReason !== "pause_turn") return false;
  const open = new Set<string>();
  for (const part of parts) {
    if (part.type !== "reasoning") continue;
    const use = serverToolUse.safeParse(part.native);
    if (use.success) open.add(use.data.id);
    const result = serverToolResult.safeParse(part.native);
    if (result.success) open.delete(result.data.tool_use_id);
  }
  return open.size > 0;
}

function wireCall(
  part: ToolCallPart,
  id: string,
  result: ToolResultPart | undefined,
  live: boolean,
): WireCall {
  return {
    type: "call",
    id,
    name: wireName(part.name),
    // What was no JSON was refused as such: its result says so, and every API takes an empty object.
    input: part.arguments.kind === "object" ? part.arguments.value : {},
    native: live && part.arguments.kind === "object" ? part.native : undefined,
    result:
      result === undefined
        ? { isError: true, content: [{ type: "text", text: "Error: this call was not run." }] }
        : shown(result),
  };
}

function shown(result: ToolResultPart): WireResult {
  const content = result.content.filter((part) => part.type === "file" || !isBlank(part.text));
  return {
    isError: result.isError,
    content: content.length > 0 ? content : [{ type: "text", text: "(no output)" }],
  };
}

/** Keeps invariant 3. */
function closed(turns: readonly Turn[]): readonly Turn[] {
  const all: Turn[] = [];
  if (turns[0]?.kind !== "user") all.push(OPENING);
  for (const turn of turns) {
    if (turn.kind === "assistant" && awaitsUser(all.at(-1))) all.push(FILLER);
    all.push(turn);
  }
  if (awaitsUser(all.at(-1))) all.push(FILLER);
  return all;
}

function awaitsUser(turn: Turn | undefined): boolean {
  return turn?.kind === "assistant" && turn.calls.length === 0 && !turn.paused;
}

/** The texts of a result as one, for an API that knows no errors: an error says that it is one. */
export function resultText(result: WireResult, texts: readonly string[]): string {
  const text = texts.join("\n");
  return result.isError && !/^error\b/i.test(text) ? `Error: ${text}` : text;
}
