/** The host against servers that others wrote, over both transports. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ToolHost } from "@baton/core";
import { describe, expect, onTestFinished, test } from "vitest";
import { callTool, installedServer, NEVER, selectionOf, testHost, textIn, until } from "./testing/hosts.ts";

const EVERYTHING = "@modelcontextprotocol/server-everything";
const all = selectionOf(["everything"]);

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** server-everything over streamable HTTP; the process is gone when the test is over. */
async function startEverythingHttp(): Promise<string> {
  const port = await freePort();
  const { command, args } = { args: [], command: "", ...installedServer(EVERYTHING, "streamableHttp") };
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH, PORT: String(port) },
    stdio: "ignore",
  });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  });
  const url = `http://127.0.0.1:${port}/mcp`;
  await until("the server listens", () =>
    fetch(url).then(
      () => true,
      () => false,
    ),
  );
  return url;
}

async function exercise(host: ToolHost): Promise<void> {
  const { tools, problems } = await host.list(all, NEVER);
  expect(problems).toEqual([]);
  const names = tools.map(({ name }) => name);
  expect(names).toContain("echo");
  // It runs only as a task.
  expect(names).not.toContain("simulate-research-query");
  expect(tools.find(({ name }) => name === "get-sum")?.inputSchema).toMatchObject({
    type: "object",
    required: ["a", "b"],
  });

  expect(textIn(await callTool(host, all, "echo", { message: "hi" }))).toBe("Echo: hi");
  expect(textIn(await callTool(host, all, "get-sum", { a: 2, b: 3 }))).toContain("5");
  const image = await callTool(host, all, "get-tiny-image");
  expect(image.content.map((part) => part.type)).toEqual(["text", "file", "text"]);
  const links = await callTool(host, all, "get-resource-links", { count: 2 });
  expect(textIn(links)).toMatch(/\[resource demo:\/\/resource\/.*\]/);
  const resource = await callTool(host, all, "get-resource-reference", {
    resourceType: "Text",
    resourceId: 1,
  });
  expect(textIn(resource)).toContain("[resource demo://resource/dynamic/text/1]\n");
  const structured = await callTool(host, all, "get-structured-content", { location: "New York" });
  expect(JSON.parse(textIn(structured))).toMatchObject({ conditions: expect.any(String) });
  const invalid = await callTool(host, all, "get-sum", { a: "two" });
  expect(invalid.isError).toBe(true);
  expect(textIn(invalid)).toMatch(/invalid/i);
}

describe("server-everything", () => {
  test("over stdio", async () => {
    await using host = testHost({ servers: { everything: installedServer(EVERYTHING, "stdio") } });
    await exercise(host);
  }, 20_000);

  test("over streamable HTTP", async () => {
    const url = await startEverythingHttp();
    await using host = testHost({ servers: { everything: { url, headers: {} } } });
    await exercise(host);
  }, 20_000);

  test("over streamable HTTP as a URL of a request, through the guard", async () => {
    const url = await startEverythingHttp();
    await using host = testHost({ allowPrivateAddresses: true });
    expect(textIn(await callTool(host, selectionOf([url]), "echo", { message: "hi" }))).toBe("Echo: hi");
  }, 20_000);

  test("a long operation is cancelled by its timeout, and the session goes on", async () => {
    await using host = testHost({
      servers: { everything: { ...installedServer(EVERYTHING, "stdio"), timeoutMs: 300 } },
    });
    await host.list(all, NEVER);
    const late = await callTool(host, all, "trigger-long-running-operation", { duration: 30, steps: 3 });
    expect(textIn(late)).toContain("timed out after 300 ms");
    expect(textIn(await callTool(host, all, "echo", { message: "next" }))).toBe("Echo: next");
  }, 20_000);

  test("what it tells of its environment holds nothing of ours, and no credential of its own", async () => {
    const { args, command } = { args: [], command: "", ...installedServer(EVERYTHING, "stdio") };
    await using host = testHost({
      servers: { everything: { command, args, env: { DEMO_KEY: "demo-12345678", MODE: "everything" } } },
      env: { PATH: process.env.PATH, OPENAI_API_KEY: "sk-not-for-servers" },
    });
    const told = textIn(await callTool(host, all, "get-env"));
    expect(told).toContain('"MODE": "everything"');
    expect(told).toContain('"DEMO_KEY": "[redacted]"');
    expect(told).not.toContain("demo-12345678");
    expect(told).not.toContain("sk-not-for-servers");
  }, 20_000);
});

test("server-filesystem reads and writes in its folder, and says no outside of it", async () => {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "baton-files-")));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "note.txt"), "from the test");
  const files = selectionOf(["files"]);
  await using host = testHost({
    servers: { files: installedServer("@modelcontextprotocol/server-filesystem", folder) },
  });
  const { tools } = await host.list(files, NEVER);
  const flags = Object.fromEntries(
    tools.map(({ name, readOnly, idempotent }) => [name, { readOnly, idempotent }]),
  );
  expect(flags.read_text_file).toEqual({ readOnly: true, idempotent: false });
  expect(flags.write_file).toEqual({ readOnly: false, idempotent: true });
  expect(flags.edit_file).toEqual({ readOnly: false, idempotent: false });

  const path = join(folder, "made.txt");
  expect((await callTool(host, files, "write_file", { path, content: "by the tool" })).isError).toBe(false);
  expect(textIn(await callTool(host, files, "read_text_file", { path }))).toBe("by the tool");
  expect(textIn(await callTool(host, files, "list_directory", { path: folder }))).toContain("note.txt");
  const outside = await callTool(host, files, "read_text_file", { path: "/etc/hostname" });
  expect(outside.isError).toBe(true);
  expect(textIn(outside)).toContain("Access denied");
}, 20_000);
