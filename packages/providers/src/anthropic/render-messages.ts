/**
 * The conversation as Anthropic's messages. What the API checks, and this file keeps:
 *   1. Roles alternate; the first message and the last are the user's (but for a turn that the server paused).
 *   2. All results of a turn stand first in the very next user message.
 *   3. No blank text; an assistant message never ends with a thinking block; no files in assistant messages.
 *   4. Thinking goes back word for word, only in the model's own live turns.
 *   5. A tool round that is not the model's own live one is closed by a line of text before anything but another
 *      such turn follows: with thinking on, the API would take it for an open tool loop without its thinking.
 */
import type Anthropic from "@anthropic-ai/sdk";
import {
  type AssistantPart,
  type AssistantTurn,
  FILLER,
  isBlank,
  isOpaque,
  type Turn,
  type UserPart,
  type WireCall,
} from "../conversation.ts";
import { fileContent, fileNote, inlineText } from "../file-part.ts";

export type Message = { role: "user" | "assistant"; content: Anthropic.ContentBlockParam[] };
type ResultBlock = Anthropic.TextBlockParam | Anthropic.ImageBlockParam | Anthropic.DocumentBlockParam;

const CLOSING: Anthropic.TextBlockParam = { type: "text", text: "[That turn ended here.]" };

/** `keepThinking` is false when the request turns thinking off: the API then wants none of it back. */
export function renderMessages(turns: readonly Turn[], keepThinking: boolean): Message[] {
  const messages: Message[] = [];
  for (const [index, turn] of turns.entries()) {
    const before = turns[index - 1];
    const after = turns[index + 1];
    if (isForeignRound(before) && (turn.kind === "user" || turn.live)) closeRound(messages, turn.kind);
    if (turn.kind === "user") {
      push(messages, "user", turn.parts.map(userBlock));
      continue;
    }
    push(messages, "assistant", assistantBlocks(turn, keepThinking, after?.kind === "user"));
    if (turn.calls.length > 0) push(messages, "user", turn.calls.map(resultBlock));
  }
  if (isForeignRound(turns.at(-1))) closeRound(messages, "assistant");
  return messages;
}

function isForeignRound(turn: Turn | undefined): boolean {
  return turn?.kind === "assistant" && !turn.live && turn.calls.length > 0;
}

function closeRound(messages: Message[], next: Turn["kind"]): void {
  push(messages, "assistant", [CLOSING]);
  if (next === "assistant") push(messages, "user", FILLER.parts.map(userBlock));
}

function push(messages: Message[], role: Message["role"], content: Anthropic.ContentBlockParam[]): void {
  if (content.length === 0) return;
  const last = messages.at(-1);
  if (last?.role === role) last.content.push(...content);
  else messages.push({ role, content: [...content] });
}

function assistantBlocks(
  turn: AssistantTurn,
  keepThinking: boolean,
  userFollows: boolean,
): Anthropic.ContentBlockParam[] {
  // A paused turn that was not continued has a server tool without its result, which the API refuses.
  const withoutOpaque = turn.paused && userFollows;
  const blocks: Anthropic.ContentBlockParam[] = [];
  for (const part of ordered(turn)) {
    if (part.type === "text") {
      if (!isBlank(part.text)) blocks.push({ type: "text", text: part.text });
    } else if (part.type === "call") {
      blocks.push({ type: "tool_use", id: part.id, name: part.name, input: part.input });
    } else if (part.native !== undefined && (isOpaque(part) ? !withoutOpaque : keepThinking)) {
      // The reader of this API kept the block as it came, and live turns come from this API alone.
      blocks.push(part.native as Anthropic.ContentBlockParam);
    }
  }
  while (isThinking(blocks.at(-1))) blocks.pop();
  return blocks;
}

/** Another model's calls may stand before its text; the API is surest to take them after it. */
function ordered(turn: AssistantTurn): readonly AssistantPart[] {
  return turn.live ? turn.parts : [...turn.parts.filter((part) => part.type !== "call"), ...turn.calls];
}

export function isThinking(block: Anthropic.ContentBlockParam | undefined): boolean {
  return block?.type === "thinking" || block?.type === "redacted_thinking";
}

function resultBlock(call: WireCall): Anthropic.ToolResultBlockParam {
  const content = call.result.content.map(userBlock);
  const [first] = content;
  return {
    type: "tool_result",
    tool_use_id: call.id,
    content: content.length === 1 && first?.type === "text" ? first.text : content,
    ...(call.result.isError ? { is_error: true } : {}),
  };
}

function userBlock(part: UserPart): ResultBlock {
  if (part.type === "text") return { type: "text", text: part.text };
  const file = fileContent(part);
  switch (file.kind) {
    case "image":
      return { type: "image", source: imageSource(file) };
    case "pdf":
      return {
        type: "document",
        source:
          "url" in file
            ? { type: "url", url: file.url }
            : { type: "base64", media_type: "application/pdf", data: file.base64 },
        title: file.name,
      };
    case "text":
      return { type: "text", text: inlineText(file) };
    case "other":
      return { type: "text", text: fileNote(part, "it is of a kind that this model does not take") };
  }
}

function imageSource(
  file: { readonly url: string } | { readonly mediaType: string; readonly base64: string },
): Anthropic.ImageBlockParam["source"] {
  if ("url" in file) return { type: "url", url: file.url };
  // `fileContent` lets only the four types of this union through as data.
  const mediaType = file.mediaType as Anthropic.Base64ImageSource["media_type"];
  return { type: "base64", media_type: mediaType, data: file.base64 };
}

/**
 * Whether the request ends inside a tool loop whose first assistant message does not open with thinking. With a
 * thinking budget the API refuses that: thinking cannot be turned on halfway through a turn.
 */
export function openLoopLacksThinking(messages: readonly Message[]): boolean {
  let first: Message | undefined;
  for (let index = messages.length - 1; index > 0; index -= 2) {
    const user = messages[index];
    if (user?.role !== "user" || !user.content.some((block) => block.type === "tool_result")) break;
    first = messages[index - 1];
  }
  return first !== undefined && !isThinking(first.content[0]);
}
