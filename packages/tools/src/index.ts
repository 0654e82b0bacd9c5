/** The tool host of Baton: MCP servers and local functions behind `ToolHost`, and the catalogue of server slugs. */
export { IDEMPOTENCY_KEY_META, RUN_ID_META } from "./call-server.ts";
export { checkSelection, usableServers } from "./check-selection.ts";
export type { SelectionProblem, ServerSources } from "./server-lookup.ts";
export { SERVER_PRESETS, type ServerPreset } from "./server-presets.ts";
export {
  createToolHost,
  type ToolHostLimits,
  type ToolHostOptions,
  type ToolHostProblem,
} from "./tool-host.ts";
