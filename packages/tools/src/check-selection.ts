/** What a selection lacks, told before a run starts and without opening anything. */
import type { FunctionTool, ToolSelection } from "@baton/core";
import { nearbyNames } from "./nearby-names.ts";
import { lookUpServer, type SelectionProblem, type ServerSources } from "./server-lookup.ts";
import { SERVER_PRESETS } from "./server-presets.ts";

/** What stands in the way of a selection, before anything is opened. Empty: nothing does. */
export function checkSelection(
  selection: ToolSelection,
  sources: ServerSources & { readonly functions: readonly FunctionTool[] },
): readonly SelectionProblem[] {
  const servers = selection.servers.flatMap((name) => {
    const found = lookUpServer(name, sources);
    return found.kind === "problem" ? [found.problem] : [];
  });
  const known = sources.functions.map((tool) => tool.name);
  const functions = selection.functions.filter((name) => !known.includes(name));
  return [...servers, ...functions.map((name) => unknownFunction(name, known))];
}

/** The names of servers that a worker with these sources can open: entries and presets that lack no key. */
export function usableServers(sources: ServerSources): readonly string[] {
  return [...new Set([...Object.keys(sources.servers), ...Object.keys(SERVER_PRESETS)])]
    .filter((name) => lookUpServer(name, sources).kind === "found")
    .sort();
}

export function unknownFunction(name: string, known: readonly string[]): SelectionProblem {
  const near = nearbyNames(name, known);
  const hint = near.length === 0 ? "" : ` Did you mean ${near.join(", ")}?`;
  return {
    name,
    message: `is not a tool of the configuration: add a function of that name under tools.${hint}`,
    missing: [],
  };
}
