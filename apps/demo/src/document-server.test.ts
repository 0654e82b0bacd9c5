import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { documentSchema, searchResultSchema } from "./document.ts";
import { DOCUMENT_SERVER_PATH, DOCUMENTS_PATH } from "./index.ts";

describe("over stdio, with the SDK's own client", () => {
  let client: Client;
  let transport: StdioClientTransport;

  beforeAll(async () => {
    transport = new StdioClientTransport({
      command: process.execPath,
      args: [DOCUMENT_SERVER_PATH, DOCUMENTS_PATH],
    });
    client = new Client({ name: "test", version: "0" });
    await client.connect(transport);
  });

  afterAll(async () => {
    await client.close();
  });

  test("both tools are marked as read-only and tell what they return", async () => {
    const { tools } = await client.listTools();
    expect(tools.map((tool) => tool.name).sort()).toEqual(["read_document", "search_documents"]);
    for (const tool of tools) {
      expect(tool.annotations?.readOnlyHint).toBe(true);
      expect(tool.outputSchema?.type).toBe("object");
    }
  });

  test("what a search finds can be read, and the text of a result is its structured content", async () => {
    const searched = await client.callTool({
      name: "search_documents",
      arguments: { query: "Suez canal Nasser" },
    });
    const { hits } = searchResultSchema.parse(searched.structuredContent);
    expect(hits[0]?.id).toBe("suez-crises");
    expect(hits[0]?.snippet).toContain("Nasser");
    expect(searched.content).toEqual([{ type: "text", text: JSON.stringify(searched.structuredContent) }]);

    const read = await client.callTool({ name: "read_document", arguments: { id: hits[0]?.id } });
    const document = documentSchema.parse(read.structuredContent);
    expect(document.title).toBe(hits[0]?.title);
    expect(document.text).toContain(hits[0]?.snippet);
  });

  test("a search returns no more hits than asked for, and none for words that occur nowhere", async () => {
    const find = async (query: string, limit?: number) =>
      searchResultSchema.parse(
        (await client.callTool({ name: "search_documents", arguments: { query, limit } })).structuredContent,
      ).hits.length;
    expect(await find("sea ship water", 3)).toBe(3);
    expect(await find("zzyzx qwertz")).toBe(0);
  });

  test("an unknown id is an error that says what to do", async () => {
    const result = await client.callTool({ name: "read_document", arguments: { id: "../../etc/passwd" } });
    expect(result.isError).toBe(true);
    expect(JSON.stringify(result.content)).toContain("There is no document with the id");
  });

  test.each([{}, { query: " " }, { query: "sea", limit: 0 }, { query: "x".repeat(401) }])(
    "a search with the arguments %j is refused",
    async (args) => {
      const result = await client.callTool({ name: "search_documents", arguments: args });
      expect(result.isError).toBe(true);
    },
  );
});

describe("as a process", () => {
  test("it ends with its stdin", async () => {
    const server = start([DOCUMENTS_PATH]);
    server.child.stdin.end();
    expect(await server.ended).toEqual({ code: 0, stderr: "" });
  });

  test("without a folder it tells its usage", async () => {
    const { code, stderr } = await start([]).ended;
    expect(code).toBe(2);
    expect(stderr).toContain("usage:");
  });

  test("a folder that is not there, or has no documents, is named in one line", async () => {
    const folder = await mkdtemp(join(tmpdir(), "documents-"));
    try {
      for (const path of [folder, join(folder, "none")]) {
        const { code, stderr } = await start([path]).ended;
        expect(code).toBe(1);
        expect(stderr).toContain(path);
        expect(stderr.trim().split("\n").length).toBe(1);
      }
      await writeFile(join(folder, "bare.md"), "no front matter");
      expect((await start([folder]).ended).stderr).toContain("document bare: front matter needs title");
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

function start(args: readonly string[]) {
  const child = spawn(process.execPath, [DOCUMENT_SERVER_PATH, ...args], {
    stdio: ["pipe", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = new Promise<{ code: number | null; stderr: string }>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stderr }));
  });
  return { child, ended };
}
