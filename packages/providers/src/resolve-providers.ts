/**
 * Providers as the adapters need them, out of the configuration and the environment. The configuration goes
 * before the presets, entry by entry. What is missing is told when a model of that provider is looked up: a
 * worker that never calls it needs no key for it.
 */
import { BatonError, PROVIDER_PRESETS, type ProviderConfig } from "@baton/core";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface ResolvedProvider {
  readonly api: ProviderConfig["api"];
  readonly baseURL?: string;
  readonly apiKey?: string;
  /** The environment variable that holds the key; absent: the provider takes none. */
  readonly apiKeyName?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Environment variables that the headers name and that are not set. */
  readonly missing?: readonly string[];
}

export function resolveProviders(
  configured: Readonly<Record<string, ProviderConfig>>,
  env: Environment,
): Record<string, ResolvedProvider> {
  const all = { ...PROVIDER_PRESETS, ...configured };
  return Object.fromEntries(Object.entries(all).map(([name, config]) => [name, resolve(name, config, env)]));
}

function resolve(name: string, config: ProviderConfig, env: Environment): ResolvedProvider {
  const baseURL = baseURLOf(name, config, env);
  const apiKey = config.apiKeyEnv === undefined ? undefined : set(env, config.apiKeyEnv);
  const { headers, missing } = headersOf(config.headers ?? {}, env);
  return {
    api: config.api,
    ...(baseURL === undefined ? {} : { baseURL }),
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(config.apiKeyEnv === undefined ? {} : { apiKeyName: config.apiKeyEnv }),
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
    ...(missing.length === 0 ? {} : { missing }),
  };
}

function baseURLOf(name: string, config: ProviderConfig, env: Environment): string | undefined {
  if (config.baseURLEnv !== undefined) {
    const fromEnv = set(env, config.baseURLEnv);
    if (fromEnv !== undefined) {
      if (/^https?:\/\//i.test(fromEnv) && URL.canParse(fromEnv)) return fromEnv;
      // Its value is not shown: a URL may hold a password.
      throw new BatonError("invalid_config", `${config.baseURLEnv} is set, but not to an http(s) URL`);
    }
  }
  // An entry that replaces a preset, but speaks the same API, most likely means the same place.
  const preset = Object.hasOwn(PROVIDER_PRESETS, name) ? PROVIDER_PRESETS[name] : undefined;
  return config.baseURL ?? (preset?.api === config.api ? preset.baseURL : undefined);
}

/** An empty variable is as good as none: that is how shells and compose files leave one out. */
function set(env: Environment, name: string): string | undefined {
  const value = env[name]?.trim();
  return value === undefined || value === "" ? undefined : value;
}

function headersOf(
  configured: Readonly<Record<string, string>>,
  env: Environment,
): { readonly headers: Record<string, string>; readonly missing: readonly string[] } {
  const missing = new Set<string>();
  const headers = Object.entries(configured).map(([header, template]) => {
    const value = template.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_whole, name: string) => {
      const found = set(env, name);
      if (found === undefined) missing.add(name);
      return found ?? "";
    });
    return [header, value] as const;
  });
  return { headers: Object.fromEntries(headers), missing: [...missing] };
}
