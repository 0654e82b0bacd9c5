/**
 * The API is killed and started again at its port, with nothing in front of it: the clients come back by themselves. It
 * listens before it is loaded, so for a client's first retry, half a second later, there is a door to wait at.
 */
import { join } from "node:path";
import { Dedalus, DedalusRunner } from "dedalus-labs";
import OpenAI from "openai";
import { afterEach, describe, expect, test } from "vitest";
import { readRecord } from "../../packages/redis-embedded/src/record.ts";
import { type CliRig, openCli } from "../support/cli.ts";
import { type ScriptProcess, sendSignal } from "../support/processes.ts";
import { useRedis } from "../support/redis.ts";
import { type Supervised, supervise } from "../support/supervised.ts";
import { until } from "../support/until.ts";

/** By themselves they try twice more, within 1.5 s. A machine that starts no process in that time is no fault of the API's. */
const PATIENT = { maxRetries: 5 };

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

/** Slow models; `redisUrl` absent: the command brings its own Redis. */
async function openRig(redisUrl?: string): Promise<CliRig> {
  const cli = await openCli(redisUrl, true);
  opened.push(cli);
  return cli;
}

async function ready(process: ScriptProcess): Promise<string> {
  const [line] = await process.line(/^\{"ready":true.*$/, 30_000);
  return JSON.parse(line).url;
}

/** A command that is started again at its port whenever it is killed. */
async function keep(cli: CliRig, args: readonly string[]): Promise<Supervised & { readonly url: string }> {
  let url = "http://127.0.0.1:0";
  const kept = await supervise(async () => {
    const process = await cli.start([...args, "--json", "--port", new URL(url).port || "0"]);
    url = await ready(process);
    return process;
  });
  opened.push(kept);
  return Object.assign(kept, { url });
}

async function startWorker(cli: CliRig): Promise<void> {
  const worker = await cli.start(["worker", "-m", "openai/*", "-m", "anthropic/*", "--json"]);
  opened.push(worker);
  await ready(worker);
}

const sold = (cli: CliRig, model: string) =>
  until(() => cli.simulated.callsOf(model) > 0, { what: `a call of ${model}`, withinMs: 30_000 });

async function runsAt(url: string): Promise<readonly { readonly status: string }[]> {
  return JSON.parse(await (await fetch(`${url}/v1/runs`)).text()).data;
}

const input = "Research tidal power, then write an essay about it.";

describe("baton api", () => {
  const redis = useRedis();

  test("killed while Dedalus' runner waits: its retry gets the run's answer, and makes no second run", async () => {
    const cli = await openRig(redis.url);
    const api = await keep(cli, ["api"]);
    await startWorker(cli);
    const client = new Dedalus({ baseURL: api.url, apiKey: "any", ...PATIENT });
    const asked = new DedalusRunner(client).run({
      input,
      model: ["openai/gpt-5.2", "anthropic/claude-opus-4-5"],
      mcpServers: ["documents"],
    });
    await sold(cli, "gpt-5.2");
    await api.kill();
    const text = "Written by a simulated model in the place of claude-opus-4-5";
    expect(await asked).toMatchObject({ finalOutput: expect.stringContaining(text) });
    expect(await runsAt(api.url)).toMatchObject([{ status: "succeeded", takeovers: 0 }]);
    expect(api.starts).toBe(2);
  }, 90_000);
});

describe("baton up, with its own Redis", () => {
  test.each([false, true])(
    "killed in the middle of a run (its Redis too: %s), it goes on with it; the client asks by its key",
    async (isRedisKilled) => {
      const cli = await openRig();
      const up = await keep(cli, ["up"]);
      const client = new OpenAI({ baseURL: `${up.url}/v1`, apiKey: "any", ...PATIENT });
      const body = { model: "openai/gpt-5.2", messages: [{ role: "user" as const, content: input }] };
      const key = { headers: { "Idempotency-Key": "mine" } };
      const asked = client.chat.completions.create(body, key);
      await sold(cli, "gpt-5.2");
      const [run] = await runsAt(up.url);
      await up.kill();
      if (isRedisKilled) await killRedis(cli);
      const answer = await asked;
      expect(answer.choices[0]?.message.content).toContain("Written by a simulated model");
      expect(await client.chat.completions.create(body, key)).toEqual(answer);
      const runs = await runsAt(up.url);
      expect(runs).toMatchObject([{ id: Object(run).id, status: "succeeded" }]);
      expect(up.starts).toBe(2);
    },
    90_000,
  );
});

async function killRedis({ folder }: CliRig): Promise<void> {
  const record = await readRecord(join(folder, ".baton", "redis", "server.json"));
  if (record?.server.kind !== "process") throw new Error("there is no Redis to kill");
  sendSignal(record.server.process.pid, "SIGKILL");
}
