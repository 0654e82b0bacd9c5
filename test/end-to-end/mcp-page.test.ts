/** What docs/mcp.md says to write into an assistant's configuration starts a server, wherever the assistant runs. */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { expect, test } from "vitest";
import { z } from "zod";
import { linksOf, ROOT, readPage } from "../support/doc-page.ts";
import { useRedis } from "../support/redis.ts";
import { tempFolder } from "../support/temp-folder.ts";

const page = await readPage("docs/mcp.md");
const redis = useRedis();

const entrySchema = z.strictObject({
  command: z.string(),
  args: z.array(z.string()),
  env: z.record(z.string(), z.string()),
});
const configSchema = z.strictObject({ mcpServers: z.strictObject({ baton: entrySchema }) });

/** An assistant has not what npm puts in front for those that it starts, `baton` among it. */
const pathOfAssistant = (process.env.PATH ?? "")
  .split(delimiter)
  .filter((folder) => !folder.includes("node_modules"))
  .join(delimiter);

test("the entry for an assistant starts a server in any folder, with the tools of the page", async () => {
  await using folder = await tempFolder();
  const { command, args, env } = configSchema.parse(JSON.parse(page.blocksIn("json")[0] ?? "")).mcpServers
    .baton;
  const transport = new StdioClientTransport({
    command,
    args: args.map((arg) => arg.replace("/path/to/baton", ROOT)),
    cwd: folder.path,
    env: { PATH: pathOfAssistant, ...env, BATON_REDIS_URL: redis.url },
  });
  expect(Object.keys(env)).toEqual(["BATON_REDIS_URL"]);
  const client = new Client({ name: "a test", version: "1" });
  await client.connect(transport);
  try {
    const { tools } = await client.listTools();
    const rows = [...page.text.matchAll(/^\| ((?:`\w+` ?)+) \|.*\| (?:submit|read) \|$/gm)];
    const told = rows.flatMap(([, names = ""]) => names.match(/\w+/g) ?? []);
    expect(told.length).toBeGreaterThan(5);
    expect(tools.map(({ name }) => name).sort()).toEqual(told.sort());
    expect((await client.callTool({ name: "list_runs", arguments: {} })).isError ?? false).toBe(false);
  } finally {
    await client.close();
  }
  // Nothing of it lies in the assistant's folder.
  expect(existsSync(join(folder.path, ".baton"))).toBe(false);
}, 60_000);

test("its links lead to files that are there", () => {
  expect(linksOf(page).filter((link) => !existsSync(join(ROOT, "docs", link)))).toEqual([]);
});
