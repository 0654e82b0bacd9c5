/**
 * Needs and capabilities, in one vocabulary: a run needs `server:<slug>`, `function:<name>`, `policy:<name>`, a
 * worker has them. A worker that lacks one leaves the run to another, so that a rolling deploy is safe.
 */
import type { Config } from "./config.ts";
import type { RunSpec } from "./spec.ts";

/** What a worker must have to run the spec. URLs need nothing but the network. */
export function needsOf(spec: RunSpec): readonly string[] {
  const servers = [
    ...(spec.mcp_servers ?? []),
    ...(spec.phases ?? []).flatMap((phase) => phase.mcp_servers ?? []),
  ];
  const functions = [
    ...(spec.tools ?? []).filter((tool) => typeof tool === "string"),
    ...(spec.phases ?? []).flatMap((phase) => phase.tools ?? []),
  ];
  const needs = [
    ...servers.filter((server) => !/^https?:\/\//i.test(server)).map((server) => `server:${server}`),
    ...functions.map((name) => `function:${name}`),
    ...(spec.policy === undefined ? [] : [`policy:${spec.policy}`]),
  ];
  return [...new Set(needs)].sort();
}

/** What a worker with this configuration has; `servers` are the slugs that it can reach. */
export function capabilitiesOf(config: Config, servers: readonly string[]): ReadonlySet<string> {
  return new Set([
    ...servers.map((slug) => `server:${slug}`),
    ...config.tools.map((tool) => `function:${tool.name}`),
    ...Object.keys(config.policies).map((name) => `policy:${name}`),
  ]);
}
