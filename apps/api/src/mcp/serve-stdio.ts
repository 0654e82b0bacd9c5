/** Baton as an MCP server on standard input and output, for the client that started this process. */
import type { Readable, Writable } from "node:stream";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { buildMcpServer, type McpServerOptions } from "./build-mcp-server.ts";

export interface StdioOptions extends McpServerOptions {
  readonly input: Readable;
  /** Carries nothing but the protocol. */
  readonly output: Writable;
  /** Hears of what was no message, and of a message that was too long, which ends the connection. */
  readonly onError: (error: Error) => void;
}

/** Serves until the client closes its end, or `stopping` is aborted. */
export async function serveStdio({ input, output, onError, ...options }: StdioOptions): Promise<void> {
  const { stopping } = options;
  const server = buildMcpServer(options);
  server.server.onerror = onError;
  const over = new Promise<void>((resolve) => {
    server.server.onclose = resolve;
    input.once("end", resolve);
    input.once("close", resolve);
    if (stopping.aborted) resolve();
    else stopping.addEventListener("abort", () => resolve(), { once: true });
  });
  await server.connect(new StdioServerTransport(input, output));
  await over;
  // Calls that wait are told to stop; nobody would read their answers.
  await server.close();
}
