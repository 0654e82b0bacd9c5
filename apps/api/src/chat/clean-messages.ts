/**
 * Messages as clients keep them: besides what OpenAI's API asks for, they carry what its answers and its clients' helpers
 * put there (`parsed`, `annotations`, `reasoning_content`, null for what is absent), and marks for caches. That is left
 * out; content that no model here is given is refused by its place.
 */
import type { Body, Draft } from "@baton/producer";

/** What answers carry beside what the model said; it means nothing when it comes back. */
const OF_ANSWERS = new Set(["annotations", "parsed", "reasoning_content", "reasoning", "audio"]);

export function cleanMessages(messages: unknown, name: string, draft: Draft): unknown {
  if (!Array.isArray(messages)) return messages;
  return messages.map((message: unknown, place) =>
    isObject(message) ? cleanMessage(message, `${name}.${place}`, draft) : message,
  );
}

function cleanMessage(message: Body, source: string, draft: Draft): unknown {
  const { content, tool_calls: calls, function_call: call, ...rest } = message;
  if (message.role === "function" || (call !== undefined && call !== null)) {
    draft.refuse(source, "function_call has been replaced by tool_calls: send those");
  }
  const clean: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(rest)) {
    if (value === null || (OF_ANSWERS.has(key) && message.role === "assistant")) continue;
    clean[key] = value;
  }
  if (content !== undefined && content !== null) clean.content = cleanContent(content, source, draft);
  if (Array.isArray(calls) && calls.length > 0) {
    clean.tool_calls = calls.map((one: unknown, place) =>
      cleanCall(one, `${source}.tool_calls.${place}`, draft),
    );
  }
  return clean;
}

function cleanContent(content: unknown, source: string, draft: Draft): unknown {
  if (!Array.isArray(content)) return content;
  return content.map((part: unknown, place) => {
    if (!isObject(part)) return part;
    const here = `${source}.content.${place}`;
    if (part.type === "refusal") return { type: "text", text: part.refusal };
    if (part.type === "text") return { type: "text", text: part.text };
    if (part.type === "image_url") return { type: "image_url", image_url: withoutNulls(part.image_url) };
    if (part.type === "input_audio") draft.refuse(here, "audio is not supported");
    if (part.type === "file" && isObject(part.file) && typeof part.file.file_id === "string") {
      draft.refuse(here, "ids of files are not supported: send file_data");
    }
    return part.type === "file" ? { type: "file", file: withoutNulls(part.file) } : part;
  });
}

function cleanCall(call: unknown, source: string, draft: Draft): unknown {
  if (!isObject(call)) return call;
  if (call.type === "custom") draft.refuse(source, "custom tools are not supported, only functions");
  if (!isObject(call.function)) return call;
  const { name, arguments: args } = call.function;
  return { id: call.id, type: call.type ?? "function", function: { name, arguments: args } };
}

function withoutNulls(value: unknown): unknown {
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== null));
}

function isObject(value: unknown): value is Body {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
