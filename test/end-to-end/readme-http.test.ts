/** The README's section about HTTP, as it stands but for the port: `baton up`, then each line, and each client. */
import { Dedalus, DedalusRunner } from "dedalus-labs";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CliRig, openCli } from "../support/cli.ts";
import { readPage } from "../support/doc-page.ts";
import type { ScriptProcess } from "../support/processes.ts";
import { useRedis } from "../support/redis.ts";
import { simulatedSearch } from "../support/search-config.ts";
import { runLines } from "../support/shell-lines.ts";

const ADDRESS = "127.0.0.1:4800";
const WITHIN_MS = 120_000;
const BOTH = ["openai/gpt-5.2", "anthropic/claude-opus-4-5"];

const page = await readPage("README.md");
const redis = useRedis();
let cli: CliRig;
let up: ScriptProcess;
/** What stands in the place of `ADDRESS`. */
let address: string;
beforeAll(async () => {
  // At the pace of a real model, so that a run can still be cancelled by the line behind the one that submits it.
  cli = await openCli(redis.url, true);
  up = await cli.start(["up", "--port", "0", "--json"], { BATON_CONFIG: await simulatedSearch(cli) });
  const [ready] = await up.line(/^\{"ready":true.*\}$/, 20_000);
  const { url }: { url: string } = JSON.parse(ready);
  address = new URL(url).host;
});
afterAll(async () => {
  await up[Symbol.asyncDispose]();
  await cli[Symbol.asyncDispose]();
});

const here = (text: string): string => text.replaceAll(ADDRESS, address);

test("its lines for curl work, one after the other", { timeout: WITHIN_MS }, async () => {
  const lines = page
    .blocksIn("sh")
    .flatMap((block) => block.split("\n"))
    .filter((line) => line.includes("curl "));
  expect(lines.filter((line) => !line.includes(ADDRESS) && !line.includes("$run"))).toEqual([]);
  const results = await runLines(lines.map(here), { folder: cli.folder, withinMs: WITHIN_MS });
  expect(results.map(({ code, statuses }) => ({ code, statuses }))).toEqual(
    [200, 202, 200, 200, 200, 202, 200, 200].map((status) => ({ code: 0, statuses: [status] })),
  );
  const [waited, , cancelled, retried, events, batch, lasting, chat] = results.map(({ stdout }) => stdout);
  const json = (text = "") => JSON.parse(text);
  expect(json(waited)).toMatchObject({
    ...{ status: "succeeded", created: true, models_used: BOTH },
    final_output: expect.stringMatching(/in the place of claude-opus-4-5/),
  });
  expect(json(cancelled)).toMatchObject({ status: "cancelled" });
  expect(json(retried)).toMatchObject({
    id: json(cancelled).id,
    status: "queued",
    model: BOTH[1],
  });
  expect(events).toMatch(/^event: end\ndata: \{"status":"succeeded"\}$/m);
  expect(json(batch)).toMatchObject({ id: "pages", submission: { created: 2 } });
  const ended = lasting?.trim().split("\n").map(json) ?? [];
  expect(ended.map(({ custom_id, status }) => [custom_id, status]).sort()).toEqual([
    ["tidal", "succeeded"],
    ["wind", "succeeded"],
  ]);
  expect(json(chat)).toMatchObject({ object: "chat.completion", models_used: BOTH });
});

test("its lines for the clients of OpenAI and Dedalus make clients that get handoffs", async () => {
  const lines = page.blocksIn("ts").find((block) => block.includes(ADDRESS)) ?? "";
  const build = new Function(
    "OpenAI",
    "Dedalus",
    "DedalusRunner",
    `${here(lines)} return { openai, dedalus };`,
  );
  const clients: { openai: OpenAI; dedalus: DedalusRunner } = build(OpenAI, Dedalus, DedalusRunner);
  const input = "Research sourdough, then write a guide to it";
  const messages = [{ role: "user" as const, content: input }];
  // OpenAI's types know of one model only.
  const body = { model: BOTH as unknown as string, messages };
  const [completion, result] = await Promise.all([
    clients.openai.chat.completions.create(body),
    clients.dedalus.run({ input, model: BOTH }),
  ]);
  expect(completion).toMatchObject({ model: BOTH[1], choices: [{ finish_reason: "stop" }] });
  expect(String(Reflect.get(result, "finalOutput"))).toMatch(/in the place of claude-opus-4-5/);
});
