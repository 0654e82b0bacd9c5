/**
 * The first items of a conversation, out of a spec's `input` or `messages`. System messages are not items: they
 * are instructions, rendered for each phase.
 */
import {
  BatonError,
  type ContentPart,
  type FilePart,
  ITEM_VERSION,
  type Item,
  type Message,
  type NewItem,
  type RunSpec,
  type TextPart,
  type ToolCallPart,
} from "@baton/core";

/** Items as `create` writes them: phase 0, epoch 0, in order. `at` is in milliseconds. */
export function firstItems(spec: RunSpec, at: number): readonly Item[] {
  const items = spec.messages === undefined ? [userItem(spec.input ?? "")] : itemsOf(spec.messages);
  if (items.length === 0) {
    throw new BatonError("invalid_spec", "messages has system messages alone: add a user message");
  }
  return items.map((item, seq) => ({ v: ITEM_VERSION, seq, phase: 0, epoch: 0, at, ...item }));
}

/** A user's message, as text or content parts. */
export function userItem(content: string | readonly ContentPart[]): NewItem {
  return { role: "user", parts: contentParts(content) };
}

function itemsOf(messages: readonly Message[]): readonly NewItem[] {
  const items: NewItem[] = [];
  const names = new Map<string, string>();
  for (const message of messages) {
    if (message.role === "user") items.push(userItem(message.content));
    if (message.role === "assistant") {
      const calls = callsOf(message);
      for (const call of calls) names.set(call.callId, call.name);
      const parts = [...contentParts(message.content ?? message.refusal ?? ""), ...calls];
      if (parts.length > 0) items.push({ role: "assistant", parts });
    }
    if (message.role === "tool") items.push(resultItem(message, names.get(message.tool_call_id)));
  }
  return items;
}

function callsOf(message: Extract<Message, { role: "assistant" }>): readonly ToolCallPart[] {
  return (message.tool_calls ?? []).map((call) => ({
    type: "tool_call",
    callId: call.id,
    name: call.function.name,
    arguments: parseArguments(call.function.arguments),
  }));
}

function resultItem(message: Extract<Message, { role: "tool" }>, name: string | undefined): NewItem {
  const callId = message.tool_call_id;
  if (name === undefined) {
    throw new BatonError(
      "invalid_spec",
      `messages: the tool message for ${callId} has no call with that id before it`,
    );
  }
  const content = contentParts(message.content);
  return { role: "tool", parts: [{ type: "tool_result", callId, name, isError: false, content }] };
}

/** Content of a message as parts of an item; an empty text is none. */
export function contentParts(content: string | readonly ContentPart[]): (TextPart | FilePart)[] {
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", text: content }];
  return content.map(partOf);
}

function partOf(part: ContentPart): TextPart | FilePart {
  switch (part.type) {
    case "text":
      return { type: "text", text: part.text };
    case "image_url": {
      const { url, detail } = part.image_url;
      return { ...fileOf(url, "image/*"), ...(detail === undefined ? {} : { detail }) };
    }
    case "file":
      return {
        ...fileOf(part.file.file_data, "application/octet-stream"),
        ...(part.file.filename === undefined ? {} : { name: part.file.filename }),
      };
  }
}

function fileOf(url: string, mediaType: string): FilePart {
  const data = /^data:([^;,]+)(?:;[^;,]+)*;base64,([A-Za-z0-9+/=\s]+)$/.exec(url);
  if (data?.[1] !== undefined && data[2] !== undefined) {
    return { type: "file", mediaType: data[1], source: { kind: "base64", data: data[2].replace(/\s/g, "") } };
  }
  if (URL.canParse(url) && /^https?:/i.test(url)) {
    return { type: "file", mediaType, source: { kind: "url", url } };
  }
  throw new BatonError("invalid_spec", "a file or image is given as an http(s) URL or as a base64 data: URL");
}

function parseArguments(raw: string): ToolCallPart["arguments"] {
  try {
    const value: unknown = JSON.parse(raw === "" ? "{}" : raw);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      // An object that is no array has string keys.
      return { kind: "object", value: value as Record<string, unknown> };
    }
  } catch {
    // What is not JSON is kept as the model wrote it.
  }
  return { kind: "invalid", raw };
}
