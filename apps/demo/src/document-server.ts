/**
 * A stdio MCP server over a folder of documents: `node document-server.ts <folder>`. Both tools only read. The
 * text of a result is its structured content as JSON, so a host may pass on either one. It ends with its stdin.
 */
import { resolve } from "node:path";
import process from "node:process";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import { documentSchema, searchResultSchema } from "./document.ts";
import { type DocumentFolder, openDocumentFolder } from "./document-folder.ts";

const READ_ONLY = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
} as const;

await main(process.argv[2]);

async function main(folder: string | undefined): Promise<void> {
  if (folder === undefined) {
    process.stderr.write("usage: node document-server.ts <folder>\n");
    process.exitCode = 2;
    return;
  }
  try {
    const server = createDocumentServer(await openDocumentFolder(resolve(folder)));
    await server.connect(new StdioServerTransport());
  } catch (error) {
    process.stderr.write(`document server: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}

function createDocumentServer(documents: DocumentFolder): McpServer {
  const server = new McpServer(
    { name: "documents", version: "0.1.0" },
    {
      instructions: `Searches ${documents.ids.length} short documents. Search first, then read the best hits whole.`,
    },
  );
  server.registerTool(
    "search_documents",
    {
      title: "Search documents",
      description:
        "Full-text search over a small library of encyclopedic documents. Returns the best hits with id, title and the sentence that fits best. Use a few key words, not a question.",
      inputSchema: {
        query: z.string().trim().min(1).max(400).describe("A few key words."),
        limit: z.int().min(1).max(20).default(5).describe("How many hits to return."),
      },
      outputSchema: searchResultSchema,
      annotations: READ_ONLY,
    },
    ({ query, limit }) => answer({ query, hits: documents.search(query, limit) }),
  );
  server.registerTool(
    "read_document",
    {
      title: "Read a document",
      description: "Returns the whole text of one document, with its title and source.",
      inputSchema: { id: z.string().min(1).max(200).describe("An id out of search_documents.") },
      outputSchema: documentSchema,
      annotations: READ_ONLY,
    },
    ({ id }) => {
      const document = documents.read(id);
      return document === undefined ? refuse(id) : answer({ ...document });
    },
  );
  return server;
}

function answer(structuredContent: Record<string, unknown>): CallToolResult {
  return { content: [{ type: "text", text: JSON.stringify(structuredContent) }], structuredContent };
}

function refuse(id: string): CallToolResult {
  const text = `There is no document with the id ${JSON.stringify(id)}. Take an id from a search_documents result.`;
  return { content: [{ type: "text", text }], isError: true };
}
