/**
 * An MCP server that misbehaves on request, for tests: it changes its list, dies, hangs, blocks, talks much. It
 * lists its tools in pages of two.
 */
import { readFileSync } from "node:fs";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import {
  CallToolRequestSchema,
  type CallToolResult,
  ListToolsRequestSchema,
  type Tool,
} from "@modelcontextprotocol/sdk/types.js";

const PAGE = 2;

export interface FixtureOptions {
  /** Ends the server without an answer, as a crash would. */
  readonly die: () => void;
}

type Handler = (args: Record<string, unknown>, extra: CallExtra) => Promise<CallToolResult>;

interface CallExtra {
  readonly signal: AbortSignal;
  readonly meta: unknown;
}

export function createFixtureServer({ die }: FixtureOptions): Server {
  const server = new Server(
    { name: "fixture", version: "1.0.0" },
    { capabilities: { tools: { listChanged: true } } },
  );
  const added: string[] = [];
  const cancelled: string[] = [];
  let hanging = 0;
  const never = new Promise<CallToolResult>(() => {});
  const handlers: Record<string, Handler> = {
    echo: async (args) => text(String(args.text)),
    meta: async (_args, { meta }) => text(JSON.stringify(meta)),
    add_tool: async (args) => {
      added.push(String(args.name));
      await server.notification({ method: "notifications/tools/list_changed" });
      return text("added");
    },
    remove_tool: async (args) => {
      added.splice(added.indexOf(String(args.name)), 1);
      await server.notification({ method: "notifications/tools/list_changed" });
      return text("removed");
    },
    die: async () => {
      die();
      return never;
    },
    hang: (_args, { signal }) => {
      hanging += 1;
      signal.addEventListener("abort", () => cancelled.push(String(signal.reason)), { once: true });
      return never;
    },
    hung: async () => text(JSON.stringify({ hanging, cancelled })),
    block: async () => {
      for (;;) {}
    },
    fail: async () => ({ isError: true, ...text("the tool says no") }),
    throw: async () => {
      throw new Error("the tool broke");
    },
    // Dies in all of its lives but the last: `starts` is the file that the server notes its starts in.
    die_until: async (args) => {
      const lives = readFileSync(String(args.starts), "utf8").trim().split("\n").length;
      if (lives >= Number(args.life)) return text(`in life ${lives}`);
      die();
      return never;
    },
    talk: async (args) => text("x".repeat(Number(args.chars))),
  };
  const tools = (): Tool[] =>
    [...Object.keys(handlers), ...added].map((name) => ({
      name,
      description: `The tool ${name}.`,
      inputSchema: { type: "object" },
      annotations: { readOnlyHint: name === "echo", idempotentHint: name === "hung" },
    }));
  server.setRequestHandler(ListToolsRequestSchema, ({ params }) => {
    const from = Number(params?.cursor ?? 0);
    const page = tools().slice(from, from + PAGE);
    return { tools: page, ...(from + PAGE < tools().length ? { nextCursor: String(from + PAGE) } : {}) };
  });
  server.setRequestHandler(CallToolRequestSchema, ({ params }, { signal }) => {
    const handler = handlers[params.name] ?? (async () => text(`called ${params.name}`));
    return handler(params.arguments ?? {}, { signal, meta: params._meta });
  });
  return server;
}

function text(content: string): CallToolResult {
  return { content: [{ type: "text", text: content }] };
}
