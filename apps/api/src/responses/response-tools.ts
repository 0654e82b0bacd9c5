/** The `tools` of a response request: the caller's own functions, and MCP servers, whose tools run at the workers. */
import type { RunSpec } from "@baton/core";
import type { Body, Draft } from "@baton/producer";

export function responseTools(value: unknown, name: string, draft: Draft): void {
  if (!Array.isArray(value)) {
    draft.refuse(name, "a list is expected");
    return;
  }
  const functions: unknown[] = [];
  const servers: unknown[] = [];
  for (const [place, tool] of value.entries()) {
    const source = `${name}.${place}`;
    if (!isObject(tool)) draft.refuse(source, "an object is expected");
    else if (tool.type === "function") {
      draft.part(`tools.${functions.length}`, source);
      draft.part(`tools.${functions.length}.function`, source);
      functions.push(functionOf(tool));
    } else if (tool.type === "mcp") {
      draft.part(`mcp_servers.${servers.length}`, source);
      servers.push(serverOf(tool, source, draft));
    } else draft.refuse(source, `${JSON.stringify(tool.type)} is not supported: ${INSTEAD}`);
  }
  if (functions.length > 0) draft.set("tools", functions, name);
  if (servers.length > 0) draft.set("mcp_servers", servers, name);
}

const INSTEAD = 'there are functions, and tools of MCP servers, {"type": "mcp", "server_label": …}';

function functionOf({ type, ...definition }: Body): unknown {
  const given = Object.entries(definition).filter(
    ([field, value]) => value !== null && !(field === "defer_loading" && value === false),
  );
  return { type, function: Object.fromEntries(given) };
}

/** Fields that say nothing new here, or nothing at these values. */
const LEFT = new Map<string, (value: unknown) => boolean>([
  ["type", () => true],
  ["server_label", () => true],
  ["server_url", () => true],
  ["server_description", () => true],
  // Whether calls wait for a person's word is for the operator's configuration to say.
  ["require_approval", (value) => value === "never"],
  ["defer_loading", (value) => value === false],
]);

const NO_SECRETS = "requests carry no secrets: configure the server, and name it by server_label alone";

const WHY = new Map([
  ["require_approval", 'the configuration says which tools wait for approval: send "never" or nothing'],
  ["authorization", NO_SECRETS],
  ["headers", NO_SECRETS],
  [
    "allowed_tools",
    "all tools of a server are offered: configure one with fewer, and name it by server_label",
  ],
  ["connector_id", "connectors are OpenAI's own: give server_url"],
]);

/** The URL, or the name of a configured server. */
function serverOf(tool: Body, source: string, draft: Draft): unknown {
  for (const [field, value] of Object.entries(tool)) {
    if (value === null || LEFT.get(field)?.(value)) continue;
    draft.refuse(`${source}.${field}`, WHY.get(field) ?? "it is not supported");
  }
  const server = tool.server_url ?? tool.server_label;
  if (server === undefined || server === null) draft.refuse(source, "server_label or server_url is missing");
  return server;
}

/** The tools of a spec as a response tells them. */
export function toolsOf(spec: RunSpec): readonly Body[] {
  const functions = (spec.tools ?? []).flatMap((tool) => {
    if (typeof tool === "string") return [];
    const { name, description = null, parameters = null, strict = null } = tool.function;
    return [{ type: "function", name, description, parameters, strict }];
  });
  const servers = (spec.mcp_servers ?? []).map((server) => ({
    ...{ type: "mcp", server_label: server },
    ...(/^https?:/i.test(server) ? { server_url: server } : {}),
  }));
  return [...functions, ...servers];
}

function isObject(value: unknown): value is Body {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
