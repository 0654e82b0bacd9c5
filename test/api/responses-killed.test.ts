/** Responses while the API and the worker are killed: the npm client of OpenAI, the command line's own processes, slow models. */
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CliRig, openCli } from "../support/cli.ts";
import type { FrontDoor } from "../support/front-door.ts";
import { useRedis } from "../support/redis.ts";
import type { Supervised } from "../support/supervised.ts";
import { type SupervisedFleet, superviseFleet } from "../support/supervised-fleet.ts";

const redis = useRedis();
let cli: CliRig;
let fleet: SupervisedFleet;
let door: FrontDoor;
let api: Supervised;
let worker: Supervised;

beforeAll(async () => {
  cli = await openCli(redis.url, true);
  fleet = await superviseFleet(cli);
  ({ door, api, worker } = fleet);
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
  await cli[Symbol.asyncDispose]();
});

test("a stream whose API is killed is thrown, and read again by its key goes on over the death of the worker", async () => {
  const client = new OpenAI({ baseURL: `${door.url}/v1`, apiKey: "any" });
  const body = {
    // Lists are not in the client's types; they pass through it.
    model: ["openai/gpt-5.2", "anthropic/claude-opus-4-5"] as unknown as string,
    input: "Research tidal power, then write an essay about it.",
    tools: [{ type: "mcp" as const, server_label: "documents" }],
  };
  const key = { headers: { "Idempotency-Key": "killed" } };
  const read = async (onText: (soFar: string) => Promise<void>) => {
    const stream = client.responses.stream(body, key);
    let text = "";
    for await (const event of stream) {
      if (event.type !== "response.output_text.delta") continue;
      text += event.delta;
      await onText(text);
    }
    return { text, final: await stream.finalResponse() };
  };
  await expect(read(() => api.kill())).rejects.toThrow();
  let isKilled = false;
  const { text, final } = await read(async (soFar) => {
    if (isKilled || soFar.length < 300) return;
    isKilled = true;
    await worker.kill();
  });
  expect(isKilled).toBe(true);
  expect(final).toMatchObject({ status: "completed", model: "anthropic/claude-opus-4-5", output_text: text });
  expect(text).toContain("Written by a simulated model in the place of claude-opus-4-5");
  expect(final.output.map(({ type }) => type)).toContain("mcp_call");
  const again = await client.responses.create(body, key);
  expect(again).toMatchObject({ id: final.id, output_text: text, baton: { handoffs: 1 } });
}, 90_000);

test("a response in the background is answered although the API is killed between its calls", async () => {
  const client = new OpenAI({ baseURL: `${door.url}/v1`, apiKey: "any" });
  const { id, status } = await client.responses.create({
    ...{ model: "gpt-5.2", input: "Say what tidal power is.", background: true },
  });
  expect(["queued", "in_progress"]).toContain(status);
  await api.kill();
  const final = await client.responses.stream({ response_id: id }).finalResponse();
  expect(final).toMatchObject({ id, status: "completed" });
  expect(final.output_text).not.toBe("");
  const next = await client.responses.create({
    ...{ model: "gpt-5.2", input: "Shorter.", previous_response_id: id },
  });
  expect(next).toMatchObject({ status: "completed", previous_response_id: id });
}, 60_000);
