/** The tools of the configuration: every MCP server is really opened and asked for its tools, and closed again. */
import { type Config, type ToolHost, toBatonError } from "@baton/core";
import { checkSelection, createToolHost, type ToolHostProblem } from "@baton/tools";
import type { Environment } from "@baton/worker-app";
import { type Finding, fail, ok, warn } from "./check.ts";
import type { Scrub } from "./scrub.ts";

/** `npx` may have to download a server first. */
const CONNECT_MS_MAX = 30_000;

interface ServerFacts {
  readonly name: string;
  /** Variables that it needs and that are not set. */
  readonly missing: readonly string[];
  /** Why there is no list. */
  readonly failure: string | undefined;
  readonly tools: number;
  /** Tools that a person has to approve. */
  readonly approvals: number;
  /** What is wrong with single tools or with the rules for them. */
  readonly remarks: readonly string[];
}

export interface ToolFacts {
  readonly servers: readonly ServerFacts[];
  readonly functions: number;
  /** Why the functions cannot be used. */
  readonly functionsProblem: string | undefined;
}

export interface GatherTools {
  readonly config: Config;
  readonly environment: Environment;
  readonly scrub: Scrub;
}

export async function gatherTools(options: GatherTools, signal: AbortSignal): Promise<ToolFacts> {
  const { config, scrub } = options;
  const told: ToolHostProblem[] = [];
  const { host, problem } = openHost(options, (one) => told.push(one));
  try {
    const servers = await Promise.all(
      Object.keys(config.mcpServers).map((name) => lookAtServer(name, host, options, signal)),
    );
    return {
      servers: servers.map((server) => ({
        ...server,
        remarks: remarksOf(server, told).map((message) => scrub(message)),
      })),
      functions: config.tools.length,
      functionsProblem: problem === undefined ? undefined : scrub(problem),
    };
  } finally {
    await host.close();
  }
}

export function toolFindings({ servers, functions, functionsProblem }: ToolFacts): readonly Finding[] {
  const lines = servers.map(serverFinding);
  if (functionsProblem !== undefined) {
    return [
      ...lines,
      fail("functions", functionsProblem, "correct it under tools: no worker starts with it"),
    ];
  }
  if (functions > 0) return [...lines, ok("functions", String(functions))];
  return lines.length > 0 ? lines : [ok("servers", "none configured, and no functions")];
}

function serverFinding({ name, missing, failure, tools, approvals, remarks }: ServerFacts): Finding {
  if (missing.length > 0) {
    const lacking = `needs ${missing.join(" and ")}, which ${missing.length === 1 ? "is" : "are"} not set`;
    return fail(name, lacking, `set ${missing.join(" and ")} where workers run`);
  }
  if (failure !== undefined) {
    return fail(name, failure, "runs that name it go on without its tools; start it by hand to see why");
  }
  const approved = approvals === 0 ? "" : `, ${approvals} of them by approval`;
  const found = `${tools} ${tools === 1 ? "tool" : "tools"}${approved}`;
  if (remarks.length > 0) {
    return warn(name, `${found}; ${remarks.join("; ")}`, `look at mcpServers.${name} in the configuration`);
  }
  return tools > 0 ? ok(name, found) : warn(name, "lists no tools", "see whether it is the right server");
}

function openHost(
  { config, environment }: GatherTools,
  onProblem: (problem: ToolHostProblem) => void,
): { readonly host: ToolHost; readonly problem: string | undefined } {
  const options = {
    servers: config.mcpServers,
    env: environment.variables,
    allowPrivateAddresses: config.allowPrivateAddresses,
    limits: {
      toolTimeoutMs: config.limits.toolTimeoutMs,
      toolResultCharsMax: config.limits.toolResultCharsMax,
      connectTimeoutMs: CONNECT_MS_MAX,
    },
    onProblem,
  };
  try {
    return { host: createToolHost({ ...options, functions: config.tools }), problem: undefined };
  } catch (error) {
    return { host: createToolHost({ ...options, functions: [] }), problem: toBatonError(error).message };
  }
}

async function lookAtServer(
  name: string,
  host: ToolHost,
  { config, environment, scrub }: GatherTools,
  signal: AbortSignal,
): Promise<Omit<ServerFacts, "remarks">> {
  const none = { name, missing: [], failure: undefined, tools: 0, approvals: 0 };
  const sources = {
    servers: config.mcpServers,
    env: environment.variables,
    allowPrivateAddresses: config.allowPrivateAddresses,
    functions: [],
  };
  const selection = { servers: [name], functions: [] };
  const [lack] = checkSelection(selection, sources);
  if (lack !== undefined && lack.missing.length > 0) return { ...none, missing: lack.missing };
  const { tools, problems } = await host.list(selection, signal);
  const [problem] = problems;
  if (problem !== undefined) return { ...none, failure: scrub(problem.message) };
  return { ...none, tools: tools.length, approvals: tools.filter(({ approval }) => approval).length };
}

/** What the host said of the server besides the failure, which has its own line. */
function remarksOf({ name, failure }: Omit<ServerFacts, "remarks">, told: readonly ToolHostProblem[]) {
  if (failure !== undefined) return [];
  return [...new Set(told.filter(({ server }) => server === name).map(({ message }) => message))];
}
