/** What each field of OpenAI's two kinds of bodies becomes in a run spec. A field that is not named here is refused. */
import { responsesInput } from "./responses-input.ts";
import type { Body, Draft } from "./spec-draft.ts";

export type TranslateField = (value: unknown, name: string, draft: Draft) => void;
export type FieldTable = Readonly<Record<string, TranslateField>>;

const COMMON: FieldTable = {
  model: (value, name, draft) =>
    // OpenAI's own names have no provider.
    draft.set("model", typeof value === "string" && !value.includes("/") ? `openai/${value}` : value, name),
  temperature: toSetting("temperature"),
  top_p: toSetting("top_p"),
  parallel_tool_calls: toSetting("parallel_tool_calls"),
  metadata: (value, name, draft) => {
    if (isObject(value)) draft.labels(value, name);
    else draft.refuse(name, "an object is expected");
  },
  user: toLabel,
  safety_identifier: toLabel,
  // These tell OpenAI's cache how to find what it has; they change no answer.
  prompt_cache_key: ignored,
  prompt_cache_retention: ignored,
  service_tier: only("auto", "default"),
  store: only(false),
  stream: only(false),
  stream_options: ignored,
  top_logprobs: only(0),
};

export const CHAT_FIELDS: FieldTable = {
  ...COMMON,
  messages: (value, name, draft) =>
    draft.set("messages", Array.isArray(value) ? value.map(plainMessage) : value, name),
  max_tokens: toSetting("max_output_tokens"),
  max_completion_tokens: toSetting("max_output_tokens"),
  stop: (value, name, draft) => draft.setting("stop", typeof value === "string" ? [value] : value, name),
  seed: toSetting("seed"),
  reasoning_effort: toSetting("effort"),
  response_format: (value, name, draft) => draft.set("response_format", value, name),
  tools: (value, name, draft) => draft.set("tools", value, name),
  tool_choice: (value, name, draft) =>
    draft.set("tool_choice", isObject(value) && isObject(value.function) ? value.function : value, name),
  n: only(1),
  logprobs: only(false),
  frequency_penalty: only(0),
  presence_penalty: only(0),
  logit_bias: (value, name, draft) => {
    if (JSON.stringify(value) !== "{}") draft.refuse(name, "Baton takes {} alone");
  },
  modalities: (value, name, draft) => {
    if (JSON.stringify(value) !== '["text"]') draft.refuse(name, 'Baton takes ["text"] alone');
  },
  verbosity: toSetting("verbosity"),
};

export const RESPONSES_FIELDS: FieldTable = {
  ...COMMON,
  input: responsesInput,
  instructions: (value, name, draft) => draft.set("instructions", value, name),
  max_output_tokens: toSetting("max_output_tokens"),
  reasoning: (value, name, draft) => {
    if (!isObject(value)) return draft.refuse(name, "an object is expected");
    for (const [key, one] of Object.entries(value)) {
      if (one === null) continue;
      if (key === "effort") draft.setting("effort", one, "reasoning.effort");
      else draft.refuse(`${name}.${key}`, "Baton has nothing that it could become");
    }
  },
  text: responsesText,
  tools: responsesTools,
  tool_choice: (value, name, draft) =>
    draft.set(
      "tool_choice",
      isObject(value) && value.type === "function" ? { name: value.name } : value,
      name,
    ),
  truncation: only("disabled"),
  background: only(false),
  // Asks for more of the reply than its text, and changes no answer; Baton keeps what it needs of that by itself.
  include: ignored,
};

function responsesText(value: unknown, name: string, draft: Draft): void {
  if (!isObject(value)) {
    draft.refuse(name, "an object is expected");
    return;
  }
  for (const [key, one] of Object.entries(value)) {
    if (one === null) continue;
    if (key === "verbosity") {
      draft.setting("verbosity", one, "text.verbosity");
      continue;
    }
    if (key !== "format" || !isObject(one)) {
      draft.refuse(`${name}.${key}`, "Baton has nothing that it could become");
      continue;
    }
    const { type, ...schema } = one;
    const format = type === "json_schema" ? { type, json_schema: withoutNulls(schema) } : one;
    draft.set("response_format", format, "text.format");
    // What the spec has one level below.
    draft.part("response_format.json_schema", "text.format");
  }
}

function responsesTools(value: unknown, name: string, draft: Draft): void {
  if (!Array.isArray(value)) {
    draft.refuse(name, "a list is expected");
    return;
  }
  const tools = value.map((tool: unknown, place) => {
    if (!isObject(tool) || tool.type !== "function") {
      draft.refuse(
        `${name}.${place}`,
        "only functions can be translated: name MCP servers in a run spec instead",
      );
      return tool;
    }
    const { type, ...definition } = tool;
    draft.part(`tools.${place}.function`, `${name}.${place}`);
    return { type, function: withoutNulls(definition) };
  });
  draft.set("tools", tools, name);
}

/** A message as other clients write it: null for what is absent, and what answers carry beside their text. */
function plainMessage(message: unknown): unknown {
  if (!isObject(message)) return message;
  const { annotations, ...rest } = message;
  const isEmpty = Array.isArray(annotations) && annotations.length === 0;
  return withoutNulls(isEmpty ? rest : message);
}

function withoutNulls(value: Body): Body {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== null));
}

function toSetting(setting: string): TranslateField {
  return (value, name, draft) => draft.setting(setting, value, name);
}

function toLabel(value: unknown, name: string, draft: Draft): void {
  draft.label(name, value, name);
}

function ignored(): void {}

/** Taken at these values alone, at which it says what holds anyway. */
function only(...values: readonly unknown[]): TranslateField {
  const words = values.map((value) => JSON.stringify(value)).join(" or ");
  return (value, name, draft) => {
    if (!values.includes(value)) draft.refuse(name, `Baton takes ${words} alone`);
  };
}

function isObject(value: unknown): value is Body {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
