/** The calls of tools that ran at workers, as answers tell them: each with its result and the server that it went to. */
import {
  type Item,
  isReply,
  type Run,
  type RunSpec,
  type ToolCallPart,
  type ToolResultPart,
} from "@baton/core";
import { clientToolsOf, ownItems } from "./run-ending.ts";

export interface ToolRun {
  readonly call: ToolCallPart;
  readonly result: ToolResultPart;
  /** Empty for a function of the operator's, and where an old result does not say it. */
  readonly server: string;
}

/** In the order of their results. */
export function toolRunsOf(run: Run, spec: RunSpec, items: readonly Item[]): readonly ToolRun[] {
  const clientTools = clientToolsOf(spec);
  const calls = new Map<string, ToolCallPart>();
  const runs: ToolRun[] = [];
  for (const item of ownItems(run, items)) {
    for (const part of item.parts) {
      if (part.type === "tool_call" && isReply(item)) calls.set(part.callId, part);
      // A result without a call of this run was submitted with it.
      const call = part.type === "tool_result" ? calls.get(part.callId) : undefined;
      if (part.type === "tool_result" && call !== undefined && ranHere(part, clientTools)) {
        runs.push({ call, result: part, server: serverOf(part, spec) });
      }
    }
  }
  return runs;
}

/** Whether a result is that of a tool which ran at a worker; a transfer is no tool to its reader. */
export function ranHere({ name }: ToolResultPart, clientTools: ReadonlySet<string>): boolean {
  return !clientTools.has(name) && !name.startsWith("transfer_to_");
}

/** Results that were written before they said it are told by the only server there was. */
export function serverOf({ server, name }: ToolResultPart, spec: RunSpec): string {
  if (server !== undefined) return server;
  const servers = spec.mcp_servers ?? [];
  const isFunction = (spec.tools ?? []).includes(name);
  return servers.length === 1 && !isFunction ? (servers[0] ?? "") : "";
}
