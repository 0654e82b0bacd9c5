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
  jsonExcess,
  type Message,
  type NewItem,
  type RunSpec,
  type TextPart,
  type ToolCallPart,
} from "@baton/core";

const DATA_HEAD_CHARS_MAX = 1_000;

/** Items as `create` writes them: phase 0, epoch 0, in order. `at` is in milliseconds. */
export function firstItems(spec: RunSpec, at: number): readonly Item[] {
  const items = spec.messages === undefined ? [userItem(spec.input ?? "")] : messageItems(spec.messages);
  if (items.length === 0) {
    throw new BatonError("invalid_spec", "messages has system messages alone: add a user message", {
      fields: { field: "messages" },
    });
  }
  return items.map((item, seq) => ({ v: ITEM_VERSION, seq, phase: 0, epoch: 0, at, ...item }));
}

/** A user's message, as text or content parts. */
export function userItem(content: string | readonly ContentPart[]): NewItem {
  return { role: "user", parts: contentParts(content) };
}

/** Messages as items. `made`: names of calls that were made before, by their ids. */
export function messageItems(
  messages: readonly Message[],
  made: ReadonlyMap<string, string> = new Map(),
): readonly NewItem[] {
  const items: NewItem[] = [];
  const names = new Map(made);
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
      { fields: { field: "messages" } },
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
  // Only the head is matched, and that is short: on a text of megabytes the pattern would use up the stack.
  const comma = url.slice(0, DATA_HEAD_CHARS_MAX).indexOf(",");
  const type = /^data:([^;,]+)(?:;[^;,]+)*;base64$/.exec(url.slice(0, Math.max(0, comma)))?.[1];
  if (type !== undefined && url.length > comma + 1) {
    const data = url.slice(comma + 1).replace(/\s/g, "");
    if (!/[^A-Za-z0-9+/=]/.test(data)) {
      return { type: "file", mediaType: type, source: { kind: "base64", data } };
    }
  }
  if (URL.canParse(url) && /^https?:/i.test(url)) {
    return { type: "file", mediaType, source: { kind: "url", url } };
  }
  throw new BatonError("invalid_spec", "a file or image is given as an http(s) URL or as a base64 data: URL");
}

function parseArguments(raw: string): ToolCallPart["arguments"] {
  // Whatever walks over them later does not have to bound its steps.
  if (jsonExcess(raw) !== undefined) return { kind: "invalid", raw };
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
