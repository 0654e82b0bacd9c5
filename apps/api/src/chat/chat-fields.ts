/**
 * What each field of a chat completion request becomes in a run spec: OpenAI's fields as lines of batches have them, and
 * Dedalus'. What would change the answer and cannot be done here is refused with its name, a field that nobody knows
 * too, as OpenAI does; what changes no answer is taken and left.
 */
import type { Config } from "@baton/core";
import { type Body, CHAT_FIELDS, type Draft, type FieldTable } from "@baton/producer";
import { effortOf, modelChoices, thinkingOf } from "../answers/model-choices.ts";
import { restoreTools } from "../answers/tool-schemas.ts";
import { cleanMessages } from "./clean-messages.ts";

const LABEL_CHARS_MAX = 512;

export function chatFields(config: Pick<Config, "providers" | "models">): FieldTable {
  return {
    ...CHAT_FIELDS,
    model: (value, name, draft) => draft.set("model", modelChoices(value, name, draft, config), name),
    messages: (value, name, draft) => draft.set("messages", cleanMessages(value, name, draft), name),
    // Of the Dedalus runner's own parameters; its HTTP API calls them messages.
    input: (value, name, draft) =>
      Array.isArray(value)
        ? draft.set("messages", cleanMessages(value, name, draft), name)
        : draft.set("input", value, name),
    instructions: (value, name, draft) => draft.set("instructions", value, name),
    system_instruction: (value, name, draft) => draft.set("instructions", value, name),
    mcp_servers: servers,
    tools: (value, name, draft) => {
      // An empty list is what runners send who have no functions.
      if (Array.isArray(value) && value.length === 0) return;
      refuseCustomTools(value, name, draft);
      draft.set("tools", restoreTools(value), name);
    },
    response_format: (value, name, draft) => draft.set("response_format", withoutNulls(value), name),
    tool_choice: toolChoice,
    max_turns: (value, name, draft) => draft.set("max_turns", value, name),
    reasoning_effort: effort,
    thinking,
    stop_sequences: (value, name, draft) => draft.setting("stop", value, name),
    // They describe models and tasks to Dedalus' router; who is handed to is the coordinator's choice here.
    agent_attributes: asLabel,
    model_attributes: asLabel,
    store: left,
    service_tier: left,
    prediction: left,
    prompt_cache_options: left,
    // Read by the route.
    stream: left,
    stream_options: left,
    // True is what happens anyway to the tools of MCP servers; the caller's functions are never run here.
    automatic_tool_execution: only(true),
    deferred: only(false),
    safe_prompt: only(false),
    handoff_config: onlyEmpty,
    guardrails: onlyEmpty,
    generation_config: onlyEmpty,
    tool_config: onlyEmpty,
    safety_settings: onlyEmpty,
    search_parameters: onlyEmpty,
    prompt_mode: onlyEmpty,
    functions: replaced("tools"),
    function_call: replaced("tool_choice"),
    audio: unsupported("no model here speaks"),
    web_search_options: unsupported("name an MCP server that searches in mcp_servers"),
    top_k: unsupported("no model's API here takes it with the others"),
    cached_content: unsupported("prompts are cached by the providers themselves"),
  };
}

function servers(value: unknown, name: string, draft: Draft): void {
  const all = Array.isArray(value) ? value : [value];
  for (const [place, server] of all.entries()) {
    if (typeof server === "string") continue;
    draft.refuse(`${name}.${place}`, "a server is a string: its name in the configuration, or its URL");
  }
  draft.set("mcp_servers", all, name);
}

/** Absent is null to clients that write down all fields of a format. */
function withoutNulls(format: unknown): unknown {
  if (!isObject(format) || !isObject(format.json_schema)) return format;
  const given = Object.entries(format.json_schema).filter(([, value]) => value !== null);
  return { ...format, json_schema: Object.fromEntries(given) };
}

/** OpenAI's forms, and Dedalus' `{type: "auto" | "any" | "none" | "tool", name?}`. */
function toolChoice(value: unknown, name: string, draft: Draft): void {
  if (!isObject(value)) {
    draft.set("tool_choice", value, name);
    return;
  }
  const { type, function: named } = value;
  if (value.disable_parallel_tool_use === true) draft.setting("parallel_tool_calls", false, name);
  if (type === "auto" || type === "none") draft.set("tool_choice", type, name);
  else if (type === "any" || type === "required") draft.set("tool_choice", "required", name);
  else if (type === "tool") draft.set("tool_choice", { name: value.name }, name);
  else if (isObject(named)) draft.set("tool_choice", { name: named.name }, name);
  else draft.refuse(name, `a choice of type ${JSON.stringify(type)} is not supported`);
}

function effort(value: unknown, name: string, draft: Draft): void {
  for (const [setting, one] of Object.entries(effortOf(value))) draft.setting(setting, one, name);
}

function thinking(value: unknown, name: string, draft: Draft): void {
  draft.setting("thinking", isObject(value) ? thinkingOf(value) : value, name);
}

function refuseCustomTools(value: unknown, name: string, draft: Draft): void {
  if (!Array.isArray(value)) return;
  for (const [place, tool] of value.entries()) {
    if (isObject(tool) && tool.type === "function") continue;
    // A name alone would be a function of the operator's, which a spec may ask for and OpenAI's form cannot.
    draft.refuse(`${name}.${place}`, 'only tools of type "function" are supported');
  }
}

/** Kept with the run, for people; what is too long for a label is left out. */
function asLabel(value: unknown, name: string, draft: Draft): void {
  const text = JSON.stringify(value);
  if (text.length <= LABEL_CHARS_MAX) draft.label(name, text, name);
}

function left(): void {}

function only(value: unknown) {
  return (given: unknown, name: string, draft: Draft): void => {
    if (given !== value) draft.refuse(name, `only ${JSON.stringify(value)} is supported`);
  };
}

function onlyEmpty(value: unknown, name: string, draft: Draft): void {
  const isEmpty = typeof value === "object" && value !== null && Object.keys(value).length === 0;
  if (!isEmpty) draft.refuse(name, "it is not supported");
}

function replaced(by: string) {
  return (_value: unknown, name: string, draft: Draft): void =>
    draft.refuse(name, `it has been replaced by ${by}: send that`);
}

function unsupported(why: string) {
  return (_value: unknown, name: string, draft: Draft): void =>
    draft.refuse(name, `it is not supported: ${why}`);
}

function isObject(value: unknown): value is Body {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
