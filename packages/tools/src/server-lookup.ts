/**
 * From the name of a server in a run to what is needed to open it: the operator's entry, else a preset, else an
 * https URL that stands for itself. Only the first two can start a process. Nothing is opened here, so the same
 * code tells before a run starts what it lacks.
 */
import type { McpServerConfig } from "@baton/core";
import { type Environment, expandVariables } from "./expand-variables.ts";
import { refusalOf } from "./guarded-fetch.ts";
import { nearbyNames } from "./nearby-names.ts";
import { isPublicAddress } from "./public-address.ts";
import { createRedactor, type GivenValue, type Redactor } from "./redactor.ts";
import { isServerUrl, labelOf } from "./server-name.ts";
import { SERVER_PRESETS, type ServerPreset } from "./server-presets.ts";
import type { ToolRules } from "./tool-rules.ts";

export interface ServerSources {
  /** The operator's `mcpServers`. */
  readonly servers: Readonly<Record<string, McpServerConfig>>;
  readonly env: Environment;
  readonly allowPrivateAddresses: boolean;
}

export interface StdioEndpoint {
  readonly kind: "stdio";
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment of the child. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | undefined;
}

export interface HttpEndpoint {
  readonly kind: "http";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Came with a request: the addresses that it may reach are guarded. */
  readonly guarded: boolean;
}

export interface ResolvedServer {
  /** The name, without what a URL may carry as a secret. */
  readonly label: string;
  readonly endpoint: StdioEndpoint | HttpEndpoint;
  readonly timeoutMs: number | undefined;
  /** What the operator says of its tools. */
  readonly rules: ToolRules;
  readonly redactor: Redactor;
}

export interface SelectionProblem {
  /** The server or function as the selection names it. */
  readonly name: string;
  /** A sentence that goes on from the name: `needs a key: set EXA_API_KEY`. */
  readonly message: string;
  /** The environment variables that would solve it. */
  readonly missing: readonly string[];
}

export type ServerLookup =
  | { readonly kind: "found"; readonly server: ResolvedServer }
  | { readonly kind: "problem"; readonly problem: SelectionProblem };

export function lookUpServer(name: string, sources: ServerSources): ServerLookup {
  const configured = ownValue(sources.servers, name);
  if (configured !== undefined) return resolve(name, configured, undefined, sources.env);
  const preset = ownValue(SERVER_PRESETS, name);
  if (preset !== undefined) return resolve(name, preset.config, preset, sources.env);
  if (isServerUrl(name)) return resolveUrl(name, sources);
  return problem(name, unknownServer(name, sources));
}

function resolve(
  name: string,
  config: McpServerConfig,
  preset: ServerPreset | undefined,
  env: Environment,
): ServerLookup {
  const given: GivenValue[] = [];
  const missing = new Set<string>();
  const expand = (template: string) => {
    const { text, used, missing: lacking } = expandVariables(template, env);
    for (const variable of used) if (!INHERITED.includes(variable.name)) given.push(variable);
    for (const variable of lacking) missing.add(variable);
    return text;
  };
  const expandAll = (templates: Readonly<Record<string, string>>) => {
    const values = Object.entries(templates).map(([key, template]) => [key, expand(template)] as const);
    given.push(...values.map(([key, value]) => ({ name: key, value })));
    return Object.fromEntries(values);
  };
  const endpoint: StdioEndpoint | { kind: "http"; url: string; headers: Record<string, string> } =
    "command" in config
      ? {
          kind: "stdio",
          command: expand(config.command),
          args: config.args.map(expand),
          env: { ...inherited(env), ...expandAll(config.env) },
          cwd: config.cwd === undefined ? undefined : expand(config.cwd),
        }
      : { kind: "http", url: expand(config.url), headers: expandAll(config.headers) };
  if (missing.size > 0) return problem(name, needs([...missing], preset), [...missing]);
  const common = { label: labelOf(name), timeoutMs: config.timeoutMs, rules: config.tools ?? {} };
  if (endpoint.kind === "stdio") {
    return { kind: "found", server: { ...common, redactor: createRedactor(given), endpoint } };
  }
  if (!URL.canParse(endpoint.url))
    return problem(name, "has a url that is none: correct it under mcpServers");
  const url = new URL(endpoint.url);
  given.push(...valuesIn(url), { name: "password", value: url.password });
  const redactor = createRedactor(given);
  return { kind: "found", server: { ...common, redactor, endpoint: { ...endpoint, url, guarded: false } } };
}

function resolveUrl(name: string, sources: ServerSources): ServerLookup {
  const label = labelOf(name);
  if (!URL.canParse(name)) return problem(label, "is not a valid URL");
  const url = new URL(name);
  url.hash = "";
  if (url.username !== "" || url.password !== "") {
    return problem(label, "carries a user name or password: configure the server under mcpServers instead");
  }
  const refusal = refusalOf(url, urlRules(sources.allowPrivateAddresses));
  if (refusal !== undefined) return problem(label, `cannot be used: ${refusal.message}`);
  const given = valuesIn(url);
  return {
    kind: "found",
    server: {
      label,
      endpoint: { kind: "http", url, headers: {}, guarded: true },
      timeoutMs: undefined,
      rules: rulesOf(url, sources),
      redactor: createRedactor(given),
    },
  };
}

/** What a URL carries: a parameter is often the server's key. */
function valuesIn(url: URL): GivenValue[] {
  return [...url.searchParams].map(([name, value]) => ({ name, value }));
}

/** A server of the configuration that is reached by its URL keeps its rules, though none of its credentials. */
function rulesOf(url: URL, { servers, env }: ServerSources): ToolRules {
  const same = Object.values(servers).find((config) => {
    if (!("url" in config) || config.tools === undefined) return false;
    const { text } = expandVariables(config.url, env);
    return labelOf(text) === labelOf(url.href);
  });
  return same?.tools ?? {};
}

/** What the guard of a request's URL lets pass. */
export function urlRules(allowPrivateAddresses: boolean) {
  return {
    allows: (address: string) => allowPrivateAddresses || isPublicAddress(address),
    plainHttp: allowPrivateAddresses,
  };
}

/** What a child gets of our own environment: how to find programs, folders, its language and trusted certificates. */
const INHERITED: readonly string[] = [
  ...["HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "TMPDIR", "TZ", "LANG", "LC_ALL"],
  ...["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR"],
  ...["APPDATA", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA", "PROCESSOR_ARCHITECTURE", "PROGRAMFILES"],
  ...["SYSTEMDRIVE", "SYSTEMROOT", "TEMP", "USERNAME", "USERPROFILE"],
];

function inherited(env: Environment): Record<string, string> {
  const values = INHERITED.map((name) => [name, env[name]] as const);
  // An exported shell function, which some shells would run, starts so.
  return Object.fromEntries(
    values.flatMap(([name, value]) => (value === undefined || value.startsWith("()") ? [] : [[name, value]])),
  );
}

function needs(missing: readonly string[], preset: ServerPreset | undefined): string {
  const list = missing.join(" and ");
  if (preset === undefined) return `needs ${list}, which the environment does not have`;
  const where = preset.keysFrom === undefined ? "" : ` (from ${preset.keysFrom})`;
  return `needs a key: set ${list}${where}`;
}

function unknownServer(name: string, { servers }: ServerSources): string {
  const known = [...new Set([...Object.keys(servers), ...Object.keys(SERVER_PRESETS)])].sort();
  const near = nearbyNames(name, known);
  const hint = near.length === 0 ? "" : ` Did you mean ${near.join(", ")}?`;
  const entry = JSON.stringify({ mcpServers: { [name]: { command: "npx", args: ["-y", "…"] } } });
  return `is no MCP server that is known here: add it to the configuration, as in ${entry}, or give an https URL.${hint}`;
}

function problem(name: string, message: string, missing: readonly string[] = []): ServerLookup {
  return { kind: "problem", problem: { name, message, missing } };
}

function ownValue<Value>(record: Readonly<Record<string, Value>>, key: string): Value | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}
