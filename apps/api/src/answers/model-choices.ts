/** The `model` of a request: a name, an object of a name and its settings (`DedalusModel`), or a list of either. */
import type { Config } from "@baton/core";
import { type Body, CHAT_FIELDS, type Draft } from "@baton/producer";
import { resolveModel } from "./model-names.ts";

type Names = Pick<Config, "providers" | "models">;

/** As a spec has it. Throws `model_not_found`. */
export function modelChoices(value: unknown, name: string, draft: Draft, config: Names): unknown {
  if (typeof value === "string") return resolveModel(value, config, name);
  // A model with settings is a list of one in a spec.
  if (!Array.isArray(value)) return [choiceOf(value, name, draft, config)];
  return value.map((one: unknown, place) => choiceOf(one, `${name}.${place}`, draft, config));
}

function choiceOf(value: unknown, source: string, draft: Draft, config: Names): unknown {
  if (typeof value === "string") return resolveModel(value, config, source);
  if (!isObject(value) || typeof value.model !== "string") {
    draft.refuse(source, 'a model is a name, or {"model": name, "settings": {…}}');
    return value;
  }
  const model = resolveModel(value.model, config, source);
  const { settings } = value;
  if (settings === undefined || settings === null) return { model };
  if (!isObject(settings)) {
    draft.refuse(`${source}.settings`, "an object is expected");
    return { model };
  }
  return { model, settings: settingsOf(settings, `${source}.settings`, draft) };
}

/** Dedalus' name of a setting → its name in a spec. */
const SETTINGS: Readonly<Record<string, string>> = {
  temperature: "temperature",
  top_p: "top_p",
  max_tokens: "max_output_tokens",
  max_completion_tokens: "max_output_tokens",
  parallel_tool_calls: "parallel_tool_calls",
  seed: "seed",
  verbosity: "verbosity",
};

/** They change no answer, or hold for the whole request, which says them itself. */
const LEFT = new Set([
  ...["attributes", "include_usage", "metadata", "prompt_cache_key", "safety_identifier", "service_tier"],
  ...["prompt_cache_retention", "store", "stream", "stream_options", "user", "use_responses"],
]);

/** Taken at the value that holds anyway, as for the whole request. */
const ONLY = new Set([
  ...["frequency_penalty", "logit_bias", "logprobs", "modalities", "n", "presence_penalty", "top_logprobs"],
]);

function settingsOf(given: Body, source: string, draft: Draft): Body {
  const settings: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    if (value === null || LEFT.has(name)) continue;
    const own = Object.hasOwn(SETTINGS, name) ? SETTINGS[name] : undefined;
    if (own !== undefined) settings[own] = value;
    else if (name === "stop") settings.stop = typeof value === "string" ? [value] : value;
    else if (name === "reasoning_effort") Object.assign(settings, effortOf(value));
    else if (name === "reasoning" && isObject(value)) Object.assign(settings, effortOf(value.effort));
    else if (name === "thinking" && isObject(value)) settings.thinking = thinkingOf(value);
    else if (ONLY.has(name)) CHAT_FIELDS[name]?.(value, `${source}.${name}`, draft);
    else draft.refuse(`${source}.${name}`, "it is not supported for one model of a list");
  }
  return settings;
}

/** OpenAI knows two more words than a spec does, which say the same as its own. */
export function effortOf(effort: unknown): Body {
  if (effort === undefined || effort === null) return {};
  if (effort === "none") return { thinking: "off" };
  return { effort: effort === "xhigh" ? "max" : effort };
}

export function thinkingOf(thinking: Body): unknown {
  if (thinking.type === "disabled") return "off";
  if (thinking.type === "adaptive") return "adaptive";
  return thinking.budget_tokens === undefined ? thinking : { budget_tokens: thinking.budget_tokens };
}

function isObject(value: unknown): value is Body {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
