/**
 * A conversation as chat messages, the form of `messages` in a spec: the inverse of `firstItems`, so that what a
 * run ended with can begin the next one. Reasoning and control items are not messages and are left out.
 */
import {
  type ContentPart,
  type FilePart,
  handoffText,
  type Item,
  type Message,
  type Part,
  type RunSpec,
  type TextPart,
  type ToolCallPart,
  textOf,
} from "@baton/core";

/** The messages of `items`, after a system message for each text of `system`. */
export function messagesOf(items: readonly Item[], system: readonly string[] = []): readonly Message[] {
  const first = system.map((content): Message => ({ role: "system", content }));
  return [...first, ...items.flatMap(messagesOfItem)];
}

/** The instructions of a spec and its system messages, in order. */
export function systemTexts(spec: RunSpec): readonly string[] {
  const messages = (spec.messages ?? []).flatMap((message) => {
    if (message.role !== "system" && message.role !== "developer") return [];
    if (typeof message.content === "string") return [message.content];
    return message.content.flatMap((part) => (part.type === "text" ? [part.text] : []));
  });
  return [spec.instructions ?? "", ...messages].filter((text) => text !== "");
}

function messagesOfItem(item: Item): readonly Message[] {
  switch (item.role) {
    case "user":
      return [{ role: "user", content: contentOf(item.parts) }];
    case "assistant":
      return assistantMessage(item);
    case "tool":
      return item.parts.flatMap((part): readonly Message[] =>
        part.type === "tool_result"
          ? [{ role: "tool", tool_call_id: part.callId, content: contentOf(part.content) }]
          : [],
      );
    case "control":
      return [];
  }
}

function assistantMessage(item: Item): readonly Message[] {
  const calls = item.parts.filter((part) => part.type === "tool_call");
  const files = item.parts.some((part) => part.type === "file");
  const content = files ? contentOf(item.parts) : textOf(item);
  if (content.length === 0 && calls.length === 0) return [];
  return [
    {
      role: "assistant",
      content: content.length === 0 ? null : content,
      ...(calls.length === 0 ? {} : { tool_calls: calls.map(toolCall) }),
    },
  ];
}

function toolCall(part: ToolCallPart) {
  const { arguments: args, callId, name } = part;
  const text = args.kind === "object" ? JSON.stringify(args.value) : args.raw;
  return { id: callId, type: "function" as const, function: { name, arguments: text } };
}

/** Text alone is a string, as most readers of messages expect; anything else is a list of parts. */
function contentOf(parts: readonly Part[]): string | ContentPart[] {
  const content = parts.flatMap(contentPart);
  const [first, ...rest] = content;
  if (first === undefined) return "";
  return first.type === "text" && rest.length === 0 ? first.text : content;
}

function contentPart(part: Part): readonly ContentPart[] {
  switch (part.type) {
    case "text":
      return [textContent(part)];
    case "file":
      return [fileContent(part)];
    case "handoff":
      return [{ type: "text", text: handoffText(part) }];
    case "reasoning":
    case "tool_call":
    case "tool_result":
    case "tool_started":
    case "record":
      return [];
  }
}

function textContent(part: TextPart): ContentPart {
  return { type: "text", text: part.text };
}

function fileContent(part: FilePart): ContentPart {
  const { source, mediaType, detail, name } = part;
  const url = source.kind === "url" ? source.url : `data:${mediaType};base64,${source.data}`;
  if (mediaType.startsWith("image/")) {
    return { type: "image_url", image_url: { url, ...(detail === undefined ? {} : { detail }) } };
  }
  return { type: "file", file: { file_data: url, ...(name === undefined ? {} : { filename: name }) } };
}
