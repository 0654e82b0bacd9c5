/**
 * Chat completions while the API and the worker are killed: the real clients, the command line's own processes, simulated
 * models that write as slowly as real ones, and a real MCP server.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DOCUMENT_SERVER_PATH, DOCUMENTS_PATH } from "@baton/demo";
import { Dedalus, DedalusRunner } from "dedalus-labs";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CliRig, openCli } from "../support/cli.ts";
import type { FrontDoor } from "../support/front-door.ts";
import { useRedis } from "../support/redis.ts";
import type { Supervised } from "../support/supervised.ts";
import { type SupervisedFleet, superviseFleet } from "../support/supervised-fleet.ts";
import { until } from "../support/until.ts";

const redis = useRedis();
let cli: CliRig;
let fleet: SupervisedFleet;
let door: FrontDoor;
let api: Supervised;
let worker: Supervised;

beforeAll(async () => {
  cli = await openCli(redis.url, true);
  await nameServers();
  fleet = await superviseFleet(cli);
  ({ door, api, worker } = fleet);
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
  await cli[Symbol.asyncDispose]();
});

/** Documents on basketball, by the name that the example asks for. */
async function nameServers(): Promise<void> {
  const folder = join(cli.folder, "basketball");
  await mkdir(folder);
  for (const [name, title, body] of BASKETBALL) {
    await writeFile(
      join(folder, `${name}.md`),
      `---\ntitle: ${title}\nsource: Made up for a test.\n---\n\n${body}\n`,
    );
  }
  const path = join(cli.folder, "baton.config.json");
  const config = JSON.parse(await readFile(path, "utf8"));
  const serverOf = (documents: string) => ({
    command: process.execPath,
    args: [DOCUMENT_SERVER_PATH, documents],
  });
  const mcpServers = { documents: serverOf(DOCUMENTS_PATH), "tsion/exa": serverOf(folder) };
  await writeFile(path, JSON.stringify({ ...config, mcpServers }));
}

test("the example of Dedalus' documentation answers with the second model's text, though the API and the worker were each killed", async () => {
  const client = new Dedalus({ baseURL: door.url, apiKey: "any" });
  const asked = new DedalusRunner(client).run({
    input:
      "Find me the nearest basketball games in January in San Francisco, then write a concise plan for attending.",
    model: ["openai/gpt-5.2", "anthropic/claude-opus-4-5"],
    mcpServers: ["tsion/exa"],
  });
  const sold = (model: string, least: number) =>
    until(() => cli.simulated.callsOf(model) >= least, {
      what: `${least} calls of ${model}`,
      withinMs: 30_000,
    });
  await sold("gpt-5.2", 1);
  await api.kill();
  await sold("claude-opus-4-5", 1);
  await worker.kill();
  const result = await asked;
  expect(result).toMatchObject({
    finalOutput: expect.stringContaining("Written by a simulated model in the place of claude-opus-4-5"),
    stepsUsed: 1,
  });
  expect(Object(result).finalOutput).toContain("basketball");
  // The retries of the client made no second run.
  const { data } = Object(await (await fetch(`${door.url}/v1/runs?status=succeeded`)).json());
  expect(data).toHaveLength(1);
  expect(data[0]).toMatchObject({ handoffs: 1, takeovers: 1 });
  await until(() => api.starts === 2 && worker.starts === 2, { what: "both to be there again" });
}, 90_000);

test("a stream goes on with the next word when the worker is killed, and from its beginning when the API is", async () => {
  const client = new OpenAI({ baseURL: `${door.url}/v1`, apiKey: "any" });
  const body = {
    // Lists are not in the client's types; they pass through it.
    model: ["openai/gpt-5.2", "anthropic/claude-opus-4-5"] as unknown as string,
    mcp_servers: ["documents"],
    messages: [{ role: "user" as const, content: "Research tidal power, then write an essay about it." }],
  };
  const key = { headers: { "Idempotency-Key": "killed" } };
  const read = async (onContent: (soFar: string) => Promise<void>): Promise<string> => {
    let content = "";
    for await (const chunk of await client.chat.completions.create({ ...body, stream: true }, key)) {
      expect(chunk).not.toHaveProperty("baton.withdrawn");
      const piece = chunk.choices[0]?.delta.content ?? "";
      content += piece;
      if (piece !== "") await onContent(content);
    }
    return content;
  };
  const cut = read(async () => api.kill());
  await expect(cut).rejects.toThrow();
  let isKilled = false;
  const streamed = await read(async (soFar) => {
    if (isKilled || soFar.length < 300) return;
    isKilled = true;
    await worker.kill();
  });
  const { choices } = await client.chat.completions.create(body, key);
  expect(streamed).toBe(choices[0]?.message.content);
  expect(streamed).toContain("Written by a simulated model in the place of claude-opus-4-5");
  expect(isKilled).toBe(true);
}, 90_000);

const BASKETBALL = [
  [
    "basketball-games-january",
    "Basketball games in San Francisco in January",
    "The Golden State team plays basketball at the arena in Mission Bay. In January three home games fall on weekends, and the nearest one begins at half past seven in the evening. Tickets are sold out weeks before, because the January games are against old rivals. Doors open ninety minutes before each game.",
  ],
  [
    "basketball-arena-attending",
    "Attending basketball games at the San Francisco arena",
    "The arena stands at the bay, and the light rail stops in front of it. Attending a basketball game by car is slow, since the garage has few places. Bags larger than a sheet of paper are refused at the door. Visitors from the north of San Francisco take the ferry, which runs an hour after each game in January.",
  ],
] as const;
