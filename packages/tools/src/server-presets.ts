/**
 * The servers that are known by slug without an entry in the configuration; an entry of the same name replaces
 * one. Programs are pinned to a version: what runs with the operator's keys changes by a commit, not by itself.
 */
import type { McpServerConfig } from "@baton/core";

export interface ServerPreset {
  readonly config: McpServerConfig;
  /** Environment variables that hold its keys. */
  readonly keys: readonly string[];
  /** Where a key is had. */
  readonly keysFrom?: string;
}

export const SERVER_PRESETS: Readonly<Record<string, ServerPreset>> = {
  "tsion/exa": {
    config: {
      type: "http",
      url: "https://mcp.exa.ai/mcp",
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the placeholder is expanded when the server is opened.
      headers: { "x-api-key": "${EXA_API_KEY}" },
    },
    keys: ["EXA_API_KEY"],
    keysFrom: "https://dashboard.exa.ai/api-keys",
  },
  "tsion/brave-search-mcp": {
    config: {
      type: "stdio",
      command: "npx",
      args: ["-y", "@brave/brave-search-mcp-server@2.1.4", "--transport", "stdio"],
      // biome-ignore lint/suspicious/noTemplateCurlyInString: as above.
      env: { BRAVE_API_KEY: "${BRAVE_API_KEY}" },
    },
    keys: ["BRAVE_API_KEY"],
    keysFrom: "https://brave.com/search/api",
  },
  "windsornguyen/open-meteo-mcp": {
    config: { type: "stdio", command: "npx", args: ["-y", "open-meteo-mcp-server@2.1.0"], env: {} },
    keys: [],
  },
};
