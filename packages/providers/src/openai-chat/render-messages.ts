/**
 * The conversation as messages of the Chat Completions API, for OpenAI and for every server that speaks it. Kept
 * here:
 *   1. The `tool` messages stand right behind the message that calls, in call order, with nothing between them.
 *   2. A tool message is text; images of results follow in one user message behind the last of them.
 *   3. Messages of one user are joined: many chat templates refuse two in a row. Text alone stays a string, which
 *      is all that some servers take.
 */
import type { OpenAI } from "openai";
import { z } from "zod";
import { type AssistantTurn, resultText, type Turn, type UserPart, type WireCall } from "../conversation.ts";
import { fileContent, fileNote, inlineText } from "../file-part.ts";

export type ChatMessage = OpenAI.Chat.ChatCompletionMessageParam;
type Content = OpenAI.Chat.ChatCompletionContentPart;

export interface ChatContentRules {
  readonly images: boolean;
  /** Whether a PDF may be sent as a `file` part. */
  readonly files: boolean;
  /** Whether the reasoning of a live turn that called tools goes back in the field it came in. */
  readonly reasoningBack: boolean;
}

export function renderMessages(turns: readonly Turn[], rules: ChatContentRules): ChatMessage[] {
  const messages: ChatMessage[] = [];
  for (const turn of turns) {
    if (turn.kind === "user") {
      addUser(
        messages,
        turn.parts.map((part) => contentOf(part, rules)),
      );
      continue;
    }
    messages.push(assistantMessage(turn, rules));
    const shown: Content[] = [];
    for (const call of turn.calls) messages.push(toolMessage(call, rules, shown));
    if (shown.length > 0) addUser(messages, shown);
  }
  return messages;
}

function addUser(messages: ChatMessage[], content: readonly Content[]): void {
  const last = messages.at(-1);
  if (last?.role !== "user") {
    messages.push({ role: "user", content: compact(content) });
    return;
  }
  const before: Content[] =
    typeof last.content === "string" ? [{ type: "text", text: last.content }] : last.content;
  messages[messages.length - 1] = { role: "user", content: compact([...before, ...content]) };
}

function compact(content: readonly Content[]): string | Content[] {
  const texts = content.filter((part) => part.type === "text");
  return texts.length === content.length ? texts.map((part) => part.text).join("\n\n") : [...content];
}

const reasoningField = z.object({
  type: z.literal("reasoning_content"),
  field: z.enum(["reasoning_content", "reasoning"]),
  text: z.string(),
});

function assistantMessage(turn: AssistantTurn, rules: ChatContentRules): ChatMessage {
  const text = turn.parts.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n\n");
  const message: OpenAI.Chat.ChatCompletionAssistantMessageParam = {
    role: "assistant",
    content: text === "" ? null : text,
    ...(turn.calls.length === 0
      ? {}
      : {
          tool_calls: turn.calls.map((call) => ({
            id: call.id,
            type: "function",
            function: { name: call.name, arguments: JSON.stringify(call.input) },
          })),
        }),
  };
  if (!rules.reasoningBack || turn.calls.length === 0) return message;
  for (const part of turn.parts) {
    const reasoning = part.type === "reasoning" ? reasoningField.safeParse(part.native) : undefined;
    if (reasoning?.success) return { ...message, ...{ [reasoning.data.field]: reasoning.data.text } };
  }
  return message;
}

function toolMessage(call: WireCall, rules: ChatContentRules, shown: Content[]): ChatMessage {
  const texts: string[] = [];
  for (const part of call.result.content) {
    const content = contentOf(part, rules);
    if (content.type === "text") {
      texts.push(content.text);
      continue;
    }
    texts.push("[The image or file of this result follows behind the results.]");
    shown.push({ type: "text", text: `From the result of ${call.name}:` }, content);
  }
  return { role: "tool", tool_call_id: call.id, content: resultText(call.result, texts) };
}

function contentOf(part: UserPart, rules: ChatContentRules): Content {
  if (part.type === "text") return { type: "text", text: part.text };
  const file = fileContent(part);
  switch (file.kind) {
    case "image": {
      if (!rules.images) return { type: "text", text: fileNote(part, "this model takes no images") };
      const url = "url" in file ? file.url : `data:${file.mediaType};base64,${file.base64}`;
      const detail = part.detail === undefined ? {} : { detail: part.detail };
      return { type: "image_url", image_url: { url, ...detail } };
    }
    case "pdf":
      return rules.files && "base64" in file
        ? {
            type: "file",
            file: { filename: file.name, file_data: `data:application/pdf;base64,${file.base64}` },
          }
        : { type: "text", text: fileNote(part, "this model takes no PDFs in this form") };
    case "text":
      return { type: "text", text: inlineText(file) };
    case "other":
      return { type: "text", text: fileNote(part, "it is of a kind that this model does not take") };
  }
}
