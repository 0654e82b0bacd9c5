/**
 * From a selection to its tools and to where a call by name goes. Built anew only when a list changed; asking
 * again costs a few comparisons.
 *
 * - A server that is down keeps its last known tools in the naming, though they are not shown: the names of the
 *   others must not change because of it.
 * - What a name meant once in a selection, it means as long as this process lives (see tool-names, N4): a model
 *   may call by a list that is older than the last change.
 */
import type { Retry, ToolCatalogue, ToolDefinition, ToolSelection } from "@baton/core";
import { unknownFunction } from "./check-selection.ts";
import type { PreparedFunction } from "./function-tools.ts";
import type { ListedTool, ToolList } from "./listed-tools.ts";
import { assignNames, keyOf, type ToolIdentity } from "./tool-names.ts";

export type Route =
  | { readonly kind: "function"; readonly prepared: PreparedFunction }
  | { readonly kind: "mcp"; readonly server: string; readonly tool: ListedTool };

/** What one server of a selection gave. */
export interface ServerTools {
  /** As the selection names it. */
  readonly name: string;
  readonly label: string;
  /** None: it could not be listed, and `problem` says why. */
  readonly list: ToolList | undefined;
  readonly lastList: ToolList | undefined;
  readonly problem: string | undefined;
  /** Whether listing it again may help. */
  readonly retry: Retry;
}

/** Whether a call must have been approved, whatever the list said that its caller has seen. */
export function needsApproval(route: Route): boolean {
  return route.kind === "function" ? route.prepared.tool.approval === true : route.tool.approval;
}

export interface Catalogue extends ToolCatalogue {
  readonly servers: readonly ServerTools[];
}

const SELECTIONS_MAX = 500;
const GIVEN_MAX = 10_000;

interface Entry {
  catalogue: Catalogue | undefined;
  /** Every name that was given out, with the tool that it means. */
  readonly routes: Map<string, { readonly key: string; readonly route: Route }>;
}

export class ToolCatalogues {
  readonly #functions: ReadonlyMap<string, PreparedFunction>;
  readonly #entries = new Map<string, Entry>();

  constructor(functions: ReadonlyMap<string, PreparedFunction>) {
    this.#functions = functions;
  }

  /** The catalogue that was built last, for the caller to judge whether it is still good. */
  last(selection: ToolSelection): Catalogue | undefined {
    return this.#entryOf(selection).catalogue;
  }

  build(selection: ToolSelection, servers: readonly ServerTools[]): Catalogue {
    const entry = this.#entryOf(selection);
    const found = [...this.#functionsOf(selection), ...servers.flatMap(toolsOf)];
    if (entry.routes.size > GIVEN_MAX) entry.routes.clear();
    const given = new Map([...entry.routes].map(([name, { key }]) => [name, key]));
    const names = assignNames(
      found.map(({ identity }) => identity),
      servers.map(({ name }) => name),
      given,
    );
    const tools: ToolDefinition[] = [];
    for (const [index, { identity, route, shown, label }] of found.entries()) {
      const name = names[index] ?? identity.tool;
      entry.routes.set(name, { key: keyOf(identity), route });
      if (shown) tools.push(definitionOf(name, route, label));
    }
    tools.sort((a, b) => (a.name < b.name ? -1 : 1));
    const problems = servers.flatMap(({ label, problem }) =>
      problem === undefined ? [] : [{ server: label, message: problem }],
    );
    entry.catalogue = { tools, problems: [...problems, ...this.#missingFunctions(selection)], servers };
    return entry.catalogue;
  }

  /** Where a call by this name goes. Valid after `build`. */
  routeOf(selection: ToolSelection, name: string): Route | undefined {
    return this.#entryOf(selection).routes.get(name)?.route;
  }

  #functionsOf(selection: ToolSelection) {
    return [...new Set(selection.functions)].flatMap((name) => {
      const prepared = this.#functions.get(name);
      if (prepared === undefined) return [];
      const identity: ToolIdentity = { server: undefined, tool: name };
      return [{ identity, route: { kind: "function", prepared } as const, shown: true, label: "" }];
    });
  }

  #missingFunctions(selection: ToolSelection) {
    return [...new Set(selection.functions)]
      .filter((name) => !this.#functions.has(name))
      .map((name) => ({ server: name, message: unknownFunction(name, [...this.#functions.keys()]).message }));
  }

  #entryOf(selection: ToolSelection): Entry {
    const key = JSON.stringify([namesOf(selection.servers), namesOf(selection.functions)]);
    const entry = this.#entries.get(key) ?? { catalogue: undefined, routes: new Map() };
    // Set again at each use, so that the first one in the map is the one that was not used for longest.
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > SELECTIONS_MAX && oldest !== undefined) this.#entries.delete(oldest);
    return entry;
  }
}

/** Names in the one order that a selection has, each once. */
export function namesOf(names: readonly string[]): readonly string[] {
  return [...new Set(names)].sort();
}

function toolsOf({ name, label, list, lastList }: ServerTools) {
  return (
    (list ?? lastList)?.tools.map((tool) => ({
      identity: { server: name, tool: tool.name },
      route: { kind: "mcp", server: name, tool } as const,
      shown: list !== undefined,
      label,
    })) ?? []
  );
}

function definitionOf(name: string, route: Route, label: string): ToolDefinition {
  if (route.kind === "function") {
    const { tool, inputSchema } = route.prepared;
    return {
      name,
      description: tool.description,
      inputSchema,
      readOnly: tool.readOnly === true,
      idempotent: tool.idempotent === true,
      approval: tool.approval === true,
      origin: { kind: "function" },
    };
  }
  const { tool } = route;
  return {
    name,
    description: tool.description,
    inputSchema: tool.inputSchema,
    readOnly: tool.readOnly,
    idempotent: tool.idempotent,
    approval: tool.approval,
    origin: { kind: "mcp", server: label, tool: tool.name },
  };
}
