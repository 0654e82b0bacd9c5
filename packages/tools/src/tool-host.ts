/**
 * The tool host: lists the tools of a selection and executes calls, over MCP servers and the operator's functions.
 * Servers are opened when they are first needed and shared by all runs of the process.
 *
 * - What a tool or a server does wrong is an error outcome, or a problem of the catalogue; only an abort throws.
 * - Servers from the configuration are as many as it has. URLs of requests are bounded: past the bound the one
 *   that was idle for longest is closed.
 */
import type {
  FunctionTool,
  ToolCatalogue,
  ToolHost,
  ToolInvocation,
  ToolOutcome,
  ToolSelection,
} from "@baton/core";
import { callFunction, prepareFunctions } from "./function-tools.ts";
import type { ListedTool } from "./listed-tools.ts";
import { McpServer } from "./mcp-server.ts";
import { nearbyNames } from "./nearby-names.ts";
import { lookUpServer, type ResolvedServer, type ServerSources } from "./server-lookup.ts";
import { isServerUrl, labelOf } from "./server-name.ts";
import { type Catalogue, namesOf, type ServerTools, ToolCatalogues } from "./tool-catalogues.ts";
import { textOutcome, toOutcome } from "./tool-result.ts";

export interface ToolHostLimits {
  /** For calls to servers and functions that set no `timeoutMs` of their own. */
  readonly toolTimeoutMs: number;
  readonly toolResultCharsMax: number;
  /** To start a server and shake hands, and to list its tools; `npx` may have to download first. Default 60 s. */
  readonly connectTimeoutMs?: number;
  /** How long a server may take to go, at each step: told, asked by SIGTERM, killed. Default 2 s. */
  readonly closeGraceMs?: number;
}

export interface ToolHostProblem {
  readonly server: string;
  readonly message: string;
}

export interface ToolHostOptions extends ServerSources {
  readonly functions: readonly FunctionTool[];
  readonly limits: ToolHostLimits;
  /** Told when a server fails, dies or lists a tool that is unusable. No secret is in it. */
  readonly onProblem?: (problem: ToolHostProblem) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

/** What a call carries besides its arguments: a server that knows them can refuse to act twice. */
export const IDEMPOTENCY_KEY_META = "baton/idempotencyKey";
export const RUN_ID_META = "baton/runId";

const CONNECT_MS_DEFAULT = 60_000;
const CLOSE_GRACE_MS_DEFAULT = 2_000;
const URL_SERVERS_MAX = 64;
const NAMES_SHOWN_MAX = 20;

/** Throws `invalid_config` when a function is not usable. */
export function createToolHost(options: ToolHostOptions): ToolHost & AsyncDisposable {
  return new SharedToolHost(options);
}

interface OpenServer {
  readonly resolved: ResolvedServer;
  readonly server: McpServer;
}

class SharedToolHost implements ToolHost, AsyncDisposable {
  readonly #options: ToolHostOptions;
  readonly #catalogues: ToolCatalogues;
  /** In the order of their last use. */
  readonly #servers = new Map<string, OpenServer>();
  readonly #closing = new Set<Promise<void>>();
  #closed = false;

  constructor(options: ToolHostOptions) {
    this.#options = options;
    this.#catalogues = new ToolCatalogues(prepareFunctions(options.functions));
  }

  async list(selection: ToolSelection, signal: AbortSignal): Promise<ToolCatalogue> {
    const { tools, problems } = await this.#catalogueOf(selection, signal);
    return { tools, problems };
  }

  async call(invocation: ToolInvocation, signal: AbortSignal): Promise<ToolOutcome> {
    const { selection, name } = invocation;
    const catalogue = await this.#catalogueOf(selection, signal);
    const route = this.#catalogues.routeOf(selection, name);
    if (route === undefined) return this.#outcome(unknownTool(name, catalogue));
    if (route.kind === "mcp") return this.#callServer(route.server, route.tool, invocation, signal);
    const { toolTimeoutMs, toolResultCharsMax } = this.#options.limits;
    const bounds = { timeoutMs: toolTimeoutMs, charsMax: toolResultCharsMax, redact: (text: string) => text };
    return callFunction(route.prepared.tool, invocation, bounds, signal);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const servers = [...this.#servers.values()];
    this.#servers.clear();
    await Promise.all([...servers.map(({ server }) => server.close()), ...this.#closing]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #catalogueOf(selection: ToolSelection, signal: AbortSignal): Promise<Catalogue> {
    signal.throwIfAborted();
    const last = this.#catalogues.last(selection);
    if (last?.servers.every((tools) => this.#isCurrent(tools))) return last;
    const names = namesOf(selection.servers);
    const servers = await Promise.all(names.map((name) => this.#toolsOf(name, signal)));
    const isSame = servers.every((tools, index) => {
      const before = last?.servers[index];
      return before?.list === tools.list && before?.problem === tools.problem;
    });
    return last !== undefined && isSame ? last : this.#catalogues.build(selection, servers);
  }

  #isCurrent({ name, list }: ServerTools): boolean {
    return list !== undefined && this.#servers.get(name)?.server.freshList === list;
  }

  /** Throws on abort alone. */
  async #toolsOf(name: string, signal: AbortSignal): Promise<ServerTools> {
    const label = labelOf(name);
    const down = (problem: string, server?: McpServer): ServerTools => ({
      name,
      label,
      problem,
      list: undefined,
      lastList: server?.lastList,
    });
    const opened = this.#serverOf(name);
    if (typeof opened === "string") return down(opened);
    try {
      const list = await opened.server.list(signal);
      return { name, label, list, lastList: list, problem: undefined };
    } catch (error) {
      signal.throwIfAborted();
      return down(error instanceof Error ? error.message : String(error), opened.server);
    }
  }

  async #callServer(
    name: string,
    tool: ListedTool,
    invocation: ToolInvocation,
    signal: AbortSignal,
  ): Promise<ToolOutcome> {
    const opened = this.#serverOf(name);
    const label = labelOf(name);
    if (typeof opened === "string") return this.#outcome(`The server ${label} ${opened}`);
    const { resolved, server } = opened;
    const { toolTimeoutMs, toolResultCharsMax } = this.#options.limits;
    const call = {
      tool: tool.name,
      arguments: invocation.arguments,
      meta: { [IDEMPOTENCY_KEY_META]: invocation.idempotencyKey, [RUN_ID_META]: invocation.runId },
      timeoutMs: resolved.timeoutMs ?? toolTimeoutMs,
    };
    try {
      const answer = await server.call(call, signal);
      if (answer.kind !== "answered")
        return this.#outcome(`${invocation.name} failed: ${label}: ${answer.message}`);
      return toOutcome(answer.result, { charsMax: toolResultCharsMax, redact: resolved.redactor.result });
    } catch (error) {
      signal.throwIfAborted();
      const why = error instanceof Error ? error.message : String(error);
      return this.#outcome(`${invocation.name} could not be called: ${label}: ${why}`);
    }
  }

  /** The server of this name, or why there is none. */
  #serverOf(name: string): OpenServer | string {
    const known = this.#servers.get(name);
    if (known !== undefined) {
      this.#servers.delete(name);
      this.#servers.set(name, known);
      return known;
    }
    if (this.#closed) return "cannot be used: the tool host is closed";
    const lookup = lookUpServer(name, this.#options);
    if (lookup.kind === "problem") return lookup.problem.message;
    if (isServerUrl(name) && !this.#makeRoom()) return "cannot be opened: too many servers are in use";
    const opened = { resolved: lookup.server, server: this.#open(lookup.server) };
    this.#servers.set(name, opened);
    return opened;
  }

  #open(resolved: ResolvedServer): McpServer {
    const { limits, allowPrivateAddresses, onProblem, now } = this.#options;
    return new McpServer(resolved, {
      connectTimeoutMs: limits.connectTimeoutMs ?? CONNECT_MS_DEFAULT,
      closeGraceMs: limits.closeGraceMs ?? CLOSE_GRACE_MS_DEFAULT,
      allowPrivateAddresses,
      now: now ?? (() => performance.now()),
      onProblem: (message) => onProblem?.({ server: resolved.label, message }),
    });
  }

  #makeRoom(): boolean {
    const urls = [...this.#servers].filter(([name]) => isServerUrl(name));
    if (urls.length < URL_SERVERS_MAX) return true;
    const idle = urls.find(([, { server }]) => server.isIdle);
    if (idle === undefined) return false;
    const [name, { server }] = idle;
    this.#servers.delete(name);
    const closed = server.close().finally(() => this.#closing.delete(closed));
    this.#closing.add(closed);
    return true;
  }

  #outcome(text: string): ToolOutcome {
    const { toolResultCharsMax: charsMax } = this.#options.limits;
    return textOutcome(text, true, { charsMax, redact: (whole) => whole });
  }
}

function unknownTool(name: string, { tools, problems }: ToolCatalogue): string {
  const names = tools.map((tool) => tool.name);
  const near = nearbyNames(name, names);
  const shown = near.length > 0 ? near : names.slice(0, NAMES_SHOWN_MAX);
  const hint = near.length > 0 ? `Did you mean ${shown.join(", ")}?` : `There are: ${shown.join(", ")}.`;
  const down = problems.map(({ server, message }) => ` ${server} is not available: ${message}.`).join("");
  const rest = names.length === 0 ? "There are no tools at all." : hint;
  return `There is no tool named ${JSON.stringify(name.slice(0, 100))}. ${rest}${down}`;
}
