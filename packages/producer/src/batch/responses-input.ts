/** The `input` of a response: a text, or items, which become messages in the form of chat completions. */
import type { Body, Draft } from "./spec-draft.ts";

/** Items for which `isKnown` are left out: the run has them from elsewhere. */
export function responsesInput(
  value: unknown,
  name: string,
  draft: Draft,
  isKnown: (item: Body) => boolean = () => false,
): void {
  if (!Array.isArray(value)) {
    draft.set("input", value, name);
    return;
  }
  const messages: Body[] = [];
  for (const [place, item] of value.entries()) {
    const source = `${name}.${place}`;
    if (!isObject(item)) draft.refuse(source, "an object is expected");
    else if (!isKnown(item)) {
      const before = messages.length;
      addItem(item, source, messages, draft);
      for (let made = before; made < messages.length; made += 1) draft.part(`messages.${made}`, source);
    }
  }
  draft.set("messages", messages, name);
}

function addItem(item: Body, source: string, messages: Body[], draft: Draft): void {
  const { type = "message" } = item;
  if (type === "message") {
    const content = Array.isArray(item.content)
      ? item.content.map((part: unknown, place) => partOf(part, `${source}.content.${place}`, draft))
      : item.content;
    messages.push({ role: item.role, content });
    return;
  }
  if (type === "function_call") {
    addCall(item, messages);
    return;
  }
  if (type === "function_call_output") {
    const content = Array.isArray(item.output)
      ? item.output.map((part: unknown, place) => partOf(part, `${source}.output.${place}`, draft))
      : item.output;
    messages.push({ role: "tool", tool_call_id: item.call_id, content });
    return;
  }
  if (type === "mcp_call") {
    // A server's tool that was called in an earlier response, as a call and its result.
    addCall({ ...item, call_id: item.id }, messages);
    messages.push({ role: "tool", tool_call_id: item.id, content: outputOf(item) });
    return;
  }
  // Reasoning is sealed for the account that got it, and references name what OpenAI stores.
  draft.refuse(source, `an item of type ${String(type)} cannot be translated`);
}

/** Calls of one turn stand in one message. */
function addCall(item: Body, messages: Body[]): void {
  const call = {
    id: item.call_id,
    type: "function",
    function: { name: item.name, arguments: item.arguments },
  };
  const last = messages.at(-1);
  if (last?.role !== "assistant") {
    messages.push({ role: "assistant", content: null, tool_calls: [call] });
    return;
  }
  const calls = Array.isArray(last.tool_calls) ? last.tool_calls : [];
  messages[messages.length - 1] = { ...last, tool_calls: [...calls, call] };
}

function outputOf({ output, error }: Body): unknown {
  return output ?? JSON.stringify(error ?? "the call gave no output");
}

function partOf(part: unknown, source: string, draft: Draft): unknown {
  if (!isObject(part)) return part;
  switch (part.type) {
    case "input_text":
    case "output_text":
      return { type: "text", text: part.text };
    case "refusal":
      return { type: "text", text: part.refusal };
    case "input_image": {
      const { image_url: url, detail } = part;
      if (typeof url !== "string") break;
      return {
        type: "image_url",
        image_url: { url, ...(detail === undefined || detail === null ? {} : { detail }) },
      };
    }
    case "input_file": {
      const { file_data: data, file_url: url, filename: name } = part;
      const file = data ?? url;
      if (typeof file !== "string") break;
      const filename = name === undefined || name === null ? {} : { filename: name };
      return { type: "file", file: { file_data: file, ...filename } };
    }
  }
  draft.refuse(
    source,
    "only text, and images and files as data or by URL can be translated, no ids of files",
  );
  return part;
}

function isObject(value: unknown): value is Body {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
