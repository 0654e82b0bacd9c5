/**
 * The tool host: lists the tools of a selection and executes calls, over MCP servers and the operator's functions.
 * Servers are opened when they are first needed and shared by all runs of the process.
 *
 * - What a tool or a server does wrong is an error outcome, or a problem of the catalogue; only an abort throws.
 * - A tool that needs approval runs only in a call that was approved, under whatever name it is called.
 * - Servers from the configuration are as many as it has. URLs of requests are bounded: past the bound the one
 *   that was idle for longest is closed.
 */
import {
  type FunctionTool,
  type Retry,
  type ToolCatalogue,
  type ToolHost,
  type ToolInvocation,
  type ToolOutcome,
  type ToolSelection,
  toBatonError,
} from "@baton/core";
import { callServer, type OpenServer } from "./call-server.ts";
import { callFunction, prepareFunctions } from "./function-tools.ts";
import { McpServer } from "./mcp-server.ts";
import { nearbyNames } from "./nearby-names.ts";
import { type CallFailure, type RetryClock, retryCall, systemClock } from "./retry-call.ts";
import { lookUpServer, type ResolvedServer, type ServerSources } from "./server-lookup.ts";
import { isServerUrl, labelOf } from "./server-name.ts";
import {
  type Catalogue,
  namesOf,
  needsApproval,
  type Route,
  type ServerTools,
  ToolCatalogues,
} from "./tool-catalogues.ts";
import { textOutcome } from "./tool-result.ts";

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
  /** The process's own where it is not given. */
  readonly clock?: Partial<RetryClock>;
}

const CONNECT_MS_DEFAULT = 60_000;
const CLOSE_GRACE_MS_DEFAULT = 2_000;
const URL_SERVERS_MAX = 64;
const NAMES_SHOWN_MAX = 20;
/** How long a tool is looked for that no server lists which is up: it may as well not exist. */
const FIND_MS_MAX = 5_000;

/** Throws `invalid_config` when a function is not usable. */
export function createToolHost(options: ToolHostOptions): ToolHost & AsyncDisposable {
  return new SharedToolHost(options);
}

interface Found {
  readonly kind: "found";
  readonly route: Route;
}

class SharedToolHost implements ToolHost, AsyncDisposable {
  readonly #options: ToolHostOptions;
  readonly #clock: RetryClock;
  readonly #catalogues: ToolCatalogues;
  /** In the order of their last use. */
  readonly #servers = new Map<string, OpenServer>();
  readonly #closing = new Set<Promise<void>>();
  #closed = false;

  constructor(options: ToolHostOptions) {
    this.#options = options;
    this.#clock = { ...systemClock, ...options.clock };
    this.#catalogues = new ToolCatalogues(prepareFunctions(options.functions));
  }

  async list(selection: ToolSelection, signal: AbortSignal): Promise<ToolCatalogue> {
    const { tools, problems } = await this.#catalogueOf(selection, signal);
    return { tools, problems };
  }

  async call(invocation: ToolInvocation, signal: AbortSignal): Promise<ToolOutcome> {
    const { name, approved } = invocation;
    const route = await this.#routeOf(invocation, signal);
    if (typeof route === "string") return this.#outcome(route);
    if (needsApproval(route) && !approved) {
      return this.#outcome(`${name} was not called: a person has to approve each call of it first.`);
    }
    const { toolTimeoutMs: timeoutMs, toolResultCharsMax: charsMax } = this.#options.limits;
    if (route.kind === "function") {
      const bounds = { timeoutMs, charsMax, redact: (text: string) => text };
      return callFunction(route.prepared.tool, invocation, bounds, signal);
    }
    const { tool, server } = route;
    const open = () => this.#serverOf(server);
    const label = labelOf(server);
    const call = { tool, label, open, timeoutMs, charsMax, clock: this.#clock };
    return { ...(await callServer(call, invocation, signal)), server: label };
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

  /** Where the call goes, or why it goes nowhere. */
  async #routeOf({ selection, name }: ToolInvocation, signal: AbortSignal): Promise<Route | string> {
    const attempt = async (): Promise<Found | CallFailure> => {
      const catalogue = await this.#catalogueOf(selection, signal);
      const route = this.#catalogues.routeOf(selection, name);
      if (route !== undefined) return { kind: "found", route };
      // A server that is down for a moment may be the one that has the tool.
      const retries = catalogue.servers.map(({ retry }) => retry).filter((retry) => retry !== "never");
      const [soonest = "never"] = retries.sort((a, b) => waitIn(a) - waitIn(b));
      return { kind: "failed", effect: "not_run", retry: soonest, message: unknownTool(name, catalogue) };
    };
    const budgetMs = Math.min(this.#options.limits.toolTimeoutMs, FIND_MS_MAX);
    const options = { attempt, repeatable: true, budgetMs, clock: this.#clock };
    const { answer } = await retryCall(options, signal);
    return answer.kind === "found" ? answer.route : answer.message;
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
    const down = (problem: string, retry: Retry, server?: McpServer): ServerTools => ({
      name,
      label,
      problem,
      retry,
      list: undefined,
      lastList: server?.lastList,
    });
    const opened = this.#serverOf(name);
    if (typeof opened === "string") return down(opened, "never");
    try {
      const list = await opened.server.list(signal);
      return { name, label, list, lastList: list, problem: undefined, retry: "never" };
    } catch (error) {
      signal.throwIfAborted();
      const { message, retry } = toBatonError(error);
      return down(message, retry, opened.server);
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
    const { limits, allowPrivateAddresses, onProblem } = this.#options;
    return new McpServer(resolved, {
      connectTimeoutMs: limits.connectTimeoutMs ?? CONNECT_MS_DEFAULT,
      closeGraceMs: limits.closeGraceMs ?? CLOSE_GRACE_MS_DEFAULT,
      allowPrivateAddresses,
      now: this.#clock.now,
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

function waitIn(retry: Retry): number {
  return typeof retry === "object" ? retry.after : 0;
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
