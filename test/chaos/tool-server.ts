/**
 * The MCP server of a chaos run, over stdio: `node tool-server.ts <folder>`. A tool that only reads, one that may be
 * repeated, and one with an effect that may not. Each call is written down when it begins and when it ends. The
 * server has a credential, which it sometimes tells, as servers do. It ends with its standard input.
 */
import { setTimeout as delay } from "node:timers/promises";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { z } from "zod";
import { writeLine } from "./files.ts";
import { TOOLS, type ToolName } from "./jobs.ts";
import { fractionOf } from "./random.ts";

const [folder = ""] = process.argv.slice(2);
const token = process.env.CHAOS_SERVER_TOKEN ?? "";
let count = 0;

const HINTS: Readonly<
  Record<ToolName, { readonly readOnlyHint: boolean; readonly idempotentHint: boolean }>
> = {
  lookup: { readOnlyHint: true, idempotentHint: true },
  record: { readOnlyHint: false, idempotentHint: false },
  store: { readOnlyHint: false, idempotentHint: true },
};

const server = new McpServer({ name: "chaos", version: "0.1.0" });
for (const tool of TOOLS) {
  server.registerTool(
    tool,
    {
      description: `The tool ${tool}.`,
      inputSchema: { mark: z.string(), nonce: z.string(), ms: z.int().min(0).max(5_000) },
      annotations: HINTS[tool],
    },
    async ({ mark, nonce, ms }, { _meta: meta }) => {
      count += 1;
      const id = `${process.pid}-${count}`;
      const key = String(meta?.["baton/idempotencyKey"] ?? "");
      writeLine(folder, "tool-runs", { id, at: Date.now(), mark, tool, key });
      await delay(ms);
      const text = fractionOf(nonce, "tells") < 0.1 ? `done with the token ${token}` : `${tool} done`;
      writeLine(folder, "tool-runs", { id, endedAt: Date.now() });
      return { content: [{ type: "text", text }] };
    },
  );
}
await server.connect(new StdioServerTransport());
