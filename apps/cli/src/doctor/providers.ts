/** The providers of models: whether each has its key, where it is, and, when asked, whether it takes the key. */
import { type Config, modelIdSchema, PROVIDER_PRESETS, type ProviderConfig, toBatonError } from "@baton/core";
import { createAdapters, type ResolvedProvider, resolveProviders } from "@baton/providers";
import type { Environment } from "@baton/worker-app";
import { type Finding, fail, ok, warn } from "./check.ts";
import { askModels, type ModelsAnswer } from "./models-list.ts";
import { publicUrl, type Scrub } from "./scrub.ts";

export interface ProviderFacts {
  readonly name: string;
  /** The configuration has an entry of its own for it. */
  readonly isConfigured: boolean;
  readonly isSimulated: boolean;
  /** Absent for a provider that takes none. */
  readonly keyName: string | undefined;
  /** Variables that it needs and that are not set, the key's among them. */
  readonly missing: readonly string[];
  /** Without user, password and query. */
  readonly baseURL: string | undefined;
  /** Why its models cannot be called, when it is not a missing variable. */
  readonly problem: string | undefined;
  /** What its list of models answered, when it was asked. */
  readonly models: ModelsAnswer | undefined;
}

export interface GatherProviders {
  readonly config: Config;
  readonly environment: Environment;
  readonly online: boolean;
  readonly scrub: Scrub;
}

export function gatherProviders(options: GatherProviders): Promise<readonly ProviderFacts[]> {
  const all = { ...PROVIDER_PRESETS, ...options.config.providers };
  return Promise.all(Object.entries(all).map(([name, provider]) => gatherProvider(name, provider, options)));
}

/** `liveWorkers` is undefined when no Redis could be asked. */
export function providerFindings(
  facts: readonly ProviderFacts[],
  liveWorkers: number | undefined,
): readonly Finding[] {
  const isUsable = (provider: ProviderFacts) =>
    provider.missing.length === 0 && provider.problem === undefined;
  const lines = facts.map(providerFinding);
  if (facts.some(isUsable)) return lines;
  const keys = facts.flatMap(({ keyName, missing }) =>
    keyName !== undefined && missing.includes(keyName) ? [keyName] : [],
  );
  const advice = `set ${listed(keys)}, or add a provider to the configuration; \`baton demo\` needs none`;
  const found = "no provider can be called from here";
  const elsewhere = (liveWorkers ?? 0) > 0;
  return [
    ...lines,
    elsewhere
      ? warn("usable", `${found}; live workers may have keys`, advice)
      : fail("usable", found, advice),
  ];
}

function providerFinding(provider: ProviderFacts): Finding {
  const { name, isConfigured, keyName, missing, problem, models } = provider;
  if (problem !== undefined)
    return fail(name, problem, "correct its entry under providers, or the variable that it names");
  if (missing.length > 0) {
    const lacking = `no key: ${missing.join(" and ")} ${missing.length === 1 ? "is" : "are"} not set`;
    // The known providers need no entry, so one without a key is simply not used.
    if (!isConfigured) return ok(name, `not used (${missing.join(", ")} is not set)`);
    return warn(name, lacking, `set ${missing.join(" and ")} where workers run`);
  }
  const key = keyName === undefined ? "takes no key" : `key in ${keyName}`;
  const simulated = provider.isSimulated ? ", simulated" : "";
  const found = `${key}, ${provider.baseURL ?? "no address"}${simulated}`;
  if (models === undefined) return ok(name, found);
  return modelsFinding({ name, found, keyName, models });
}

interface Answered {
  readonly name: string;
  readonly found: string;
  readonly keyName: string | undefined;
  readonly models: ModelsAnswer;
}

function modelsFinding({ name, found, keyName, models }: Answered): Finding {
  switch (models.kind) {
    case "listed":
      return ok(name, `${found}, ${models.count} models`);
    case "refused":
      return fail(
        name,
        `${found}: the key is refused (HTTP ${models.status})`,
        keyName === undefined ? "it seems to want a key: give its apiKeyEnv" : `check ${keyName}`,
      );
    case "other":
      return warn(name, `${found}: its models list ${models.why}`, "see whether its base URL is right");
    case "unreachable":
      return fail(name, `${found}: cannot be reached (${models.why})`, "see whether its base URL is right");
  }
}

async function gatherProvider(
  name: string,
  config: ProviderConfig,
  { environment, online, scrub, config: { providers, limits } }: GatherProviders,
): Promise<ProviderFacts> {
  const known = {
    name,
    isConfigured: Object.hasOwn(providers, name),
    isSimulated: config.simulated === true,
    keyName: config.apiKeyEnv,
  };
  try {
    const resolved = resolveOne(name, config, environment);
    const isKeyMissing = resolved.apiKeyName !== undefined && resolved.apiKey === undefined;
    const keys = isKeyMissing && resolved.apiKeyName !== undefined ? [resolved.apiKeyName] : [];
    const missing = [...keys, ...(resolved.missing ?? [])];
    const baseURL = resolved.baseURL === undefined ? undefined : scrub(publicUrl(resolved.baseURL));
    if (missing.length > 0) return { ...known, missing, baseURL, problem: undefined, models: undefined };
    if (resolved.baseURL !== undefined && hasUser(resolved.baseURL)) {
      const problem = "its base URL holds a user name or password, which HTTP clients refuse: use headers";
      return { ...known, missing, baseURL, problem, models: undefined };
    }
    // Throws what a worker would say at the first call.
    createAdapters({ providers: { [name]: resolved }, limits })(modelIdSchema.parse(`${name}/any`));
    const models = online ? await askModels(resolved) : undefined;
    return { ...known, missing, baseURL, problem: undefined, models };
  } catch (error) {
    const problem = scrub(toBatonError(error).message);
    return { ...known, missing: [], baseURL: undefined, problem, models: undefined };
  }
}

/** Without the others' addresses: one that is wrong would be this one's error too. */
function resolveOne(name: string, config: ProviderConfig, { variables }: Environment): ResolvedProvider {
  const others = Object.values(PROVIDER_PRESETS).flatMap(({ baseURLEnv }) =>
    baseURLEnv === undefined || baseURLEnv === config.baseURLEnv ? [] : [[baseURLEnv, undefined] as const],
  );
  const resolved = resolveProviders({ [name]: config }, { ...variables, ...Object.fromEntries(others) })[
    name
  ];
  if (resolved === undefined) throw new Error(`${name} was not resolved`);
  return resolved;
}

function hasUser(url: string): boolean {
  const { username, password } = new URL(url);
  return username !== "" || password !== "";
}

/** `A, B or C`. */
function listed(names: readonly string[]): string {
  if (names.length < 2) return names[0] ?? "a key";
  return `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}
