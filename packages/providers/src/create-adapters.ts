/**
 * Finds the adapter of a model. Each provider gets one client, made when its first model is looked up and used
 * for all calls from then on, so that connections are kept alive.
 */
import {
  type AdapterLookup,
  BatonError,
  type ModelAdapter,
  type ModelId,
  PROVIDER_PRESETS,
  splitModelId,
} from "@baton/core";
import { anthropicAdapter } from "./anthropic/adapter.ts";
import type { CallLimits } from "./call-guard.ts";
import { chatAdapter } from "./openai-chat/adapter.ts";
import { responsesAdapter } from "./openai-responses/adapter.ts";
import type { ProviderContext } from "./provider-context.ts";
import { redactor } from "./redact.ts";
import type { ResolvedProvider } from "./resolve-providers.ts";

export interface AdapterOptions {
  readonly providers: Readonly<Record<string, ResolvedProvider>>;
  readonly limits: CallLimits;
}

/**
 * The lookup throws `unknown_provider`, `missing_key` or `invalid_config`, each with the line that helps; the
 * adapters throw as `ModelAdapter` says.
 */
export function createAdapters(options: AdapterOptions): AdapterLookup {
  const adapters = new Map<string, ModelAdapter>();
  return (model) => {
    const { provider: name } = splitModelId(model);
    const known = adapters.get(name);
    if (known !== undefined) return known;
    const provider = Object.hasOwn(options.providers, name) ? options.providers[name] : undefined;
    if (provider === undefined) throw unknownProvider(model, name, Object.keys(options.providers));
    const adapter = adapterOf(provider.api, contextOf(model, name, provider, options.limits));
    adapters.set(name, adapter);
    return adapter;
  };
}

/** Where an API is spoken when the provider does not say; Chat Completions is spoken everywhere. */
const OFFICIAL: Readonly<Record<ResolvedProvider["api"], string | undefined>> = {
  "openai-responses": PROVIDER_PRESETS.openai?.baseURL,
  "anthropic-messages": PROVIDER_PRESETS.anthropic?.baseURL,
  "openai-chat": undefined,
};

function adapterOf(api: ResolvedProvider["api"], context: ProviderContext): ModelAdapter {
  switch (api) {
    case "openai-responses":
      return responsesAdapter(context);
    case "openai-chat":
      return chatAdapter(context);
    case "anthropic-messages":
      return anthropicAdapter(context);
  }
}

function contextOf(
  model: ModelId,
  name: string,
  provider: ResolvedProvider,
  limits: CallLimits,
): ProviderContext {
  const { apiKeyName, headers = {} } = provider;
  const apiKey = provider.apiKey === "" ? undefined : provider.apiKey;
  const baseURL = provider.baseURL ?? OFFICIAL[provider.api];
  const fields = { provider: name, model };
  const missing = [
    ...(apiKeyName !== undefined && apiKey === undefined ? [apiKeyName] : []),
    ...(provider.missing ?? []),
  ];
  if (missing.length > 0) {
    const what = missing.length === 1 && missing[0] === apiKeyName ? "a key" : "its environment";
    throw new BatonError("missing_key", `${model} needs ${what}: set ${missing.join(" and ")}`, { fields });
  }
  if (baseURL === undefined) {
    throw new BatonError("invalid_config", `the provider ${name} has no baseURL: set it under providers`, {
      fields,
    });
  }
  if (apiKey !== undefined && !/^[\x21-\x7e]+$/.test(apiKey)) {
    const key = apiKeyName ?? `the key of ${name}`;
    throw new BatonError("invalid_config", `${key} holds characters that no header can carry`, { fields });
  }
  const redact = redactor(apiKey, headers);
  return {
    baseURL,
    apiKey,
    headers,
    limits,
    callContext: (called) => ({ model: called, apiKeyName, redact }),
  };
}

function unknownProvider(model: ModelId, name: string, known: readonly string[]): BatonError {
  return new BatonError(
    "unknown_provider",
    `there is no provider ${name} for ${model}. Known: ${[...known].sort().join(", ") || "none"}. ` +
      `Add it to the configuration: providers: { ${JSON.stringify(name)}: ` +
      `{ api: "openai-chat", baseURL: "http://localhost:11434/v1" } }`,
    { fields: { provider: name, model } },
  );
}
