/**
 * The models that a client of OpenAI's or Dedalus' names, as ids of Baton:
 *
 *   - `provider/model` is an id already, when the provider is configured or known;
 *   - a bare name is the configured model of that name, or one of a known family: `claude-…` is Anthropic's, `grok-…`
 *     xAI's, `gpt-…`, `chatgpt-…`, `codex-…` and `o1`, `o3`, `o4` OpenAI's.
 *
 * Who serves a model now does not matter: the same request must mean the same run while workers come and go.
 */
import { type Config, type ModelId, modelIdSchema, PROVIDER_PRESETS, splitModelId } from "@baton/core";
import { OpenAiProblem } from "./openai-problem.ts";

const FAMILIES: readonly { readonly pattern: RegExp; readonly provider: string }[] = [
  { pattern: /^claude-/, provider: "anthropic" },
  { pattern: /^grok-/, provider: "xai" },
  { pattern: /^(gpt|chatgpt|codex)-|^o[134](-|$)/, provider: "openai" },
];

/** The id of the model that is called `name`. Throws `model_not_found`. */
export function resolveModel(
  name: string,
  config: Pick<Config, "providers" | "models">,
  param: string,
): ModelId {
  const id = modelIdSchema.safeParse(name.includes("/") ? name : bareModel(name, config));
  if (!id.success || !isProvider(splitModelId(id.data).provider, config)) throw modelNotFound(name, param);
  return id.data;
}

export function modelNotFound(name: string, param: string): OpenAiProblem {
  return new OpenAiProblem({
    status: 404,
    code: "model_not_found",
    message: `there is no model ${JSON.stringify(name.slice(0, 200))}: GET /v1/models lists what is served; other models are named provider/model, with a provider of the configuration`,
    param,
  });
}

function bareModel(name: string, config: Pick<Config, "models">): string {
  // Sorted, so that two providers that call a model alike give the same answer each time.
  const configured = Object.keys(config.models)
    .sort()
    .find((id) => id.slice(id.indexOf("/") + 1) === name);
  const family = FAMILIES.find(({ pattern }) => pattern.test(name));
  return configured ?? (family === undefined ? "" : `${family.provider}/${name}`);
}

function isProvider(provider: string, config: Pick<Config, "providers">): boolean {
  return Object.hasOwn(config.providers, provider) || Object.hasOwn(PROVIDER_PRESETS, provider);
}
