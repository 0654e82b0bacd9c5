/** The command line through the HTTP API: the same commands and the same output as on Redis itself, by real processes. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DOCUMENT_SERVER_PATH, DOCUMENTS_PATH } from "@baton/demo";
import type { Command } from "commander";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { buildProgram } from "../../apps/cli/src/program.ts";
import { type CliResult, type CliRig, openCli } from "../support/cli.ts";
import type { ScriptProcess } from "../support/processes.ts";
import { freshRedis, type PrivateRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";

const GPT = "openai/gpt-5.2";
const BOTH = ["-m", GPT, "-m", "anthropic/claude-opus-4-5"];
const SERVE = ["openai/*", "anthropic/*", "broken/*"].flatMap((pattern) => ["-m", pattern]);
const TASK = [
  "run",
  "Research tidal power, then write a short essay about it",
  ...BOTH,
  "--mcp",
  "documents",
];

type Environment = Readonly<Record<string, string | undefined>>;
/** Runs a command and gives its standard output, which must come with exit code 0. */
type Ok = (...args: readonly string[]) => Promise<string>;
interface Steps {
  /** Runs it again and again, until it says this; what it says is not compared. */
  readonly look: (pattern: RegExp, ...args: readonly string[]) => Promise<CliResult>;
  /** Runs a command, whatever its end. */
  readonly run: (...args: readonly string[]) => Promise<CliResult>;
  readonly ok: Ok;
}

/** One of two equal stores: with a worker, and a way for commands to it. */
interface Place extends AsyncDisposable {
  readonly cli: CliRig;
  readonly env: Environment;
}

let places: readonly Place[] = [];
beforeAll(async () => {
  places = await Promise.all([openPlace("redis"), openPlace("server")]);
});
afterAll(async () => {
  for (const place of places) await place[Symbol.asyncDispose]();
});

async function openPlace(way: "redis" | "server"): Promise<Place> {
  const redis: PrivateRedis = await freshRedis();
  const cli = await openCli(redis.url);
  await configure(cli);
  const args = way === "redis" ? ["worker", ...SERVE, "--json"] : ["up", "--port", "0", ...SERVE, "--json"];
  const worker: ScriptProcess = await cli.start(args);
  const [line] = await worker.line(/^\{"ready":true.*\}$/, 30_000);
  const { url } = z.object({ url: z.string().optional() }).parse(JSON.parse(line));
  return {
    cli,
    // What is on this Redis cannot be seen without the API: there is none for the command.
    env: way === "redis" ? {} : { BATON_SERVER: url, BATON_REDIS_URL: "redis://127.0.0.1:1" },
    async [Symbol.asyncDispose]() {
      await worker[Symbol.asyncDispose]();
      await cli[Symbol.asyncDispose]();
      await redis[Symbol.asyncDispose]();
    },
  };
}

/** A provider that nobody answers for, and a tool that asks for approval. */
async function configure({ folder }: CliRig): Promise<void> {
  const path = join(folder, "baton.config.json");
  const config = z
    .looseObject({ providers: z.looseObject({}) })
    .parse(JSON.parse(await readFile(path, "utf8")));
  const documents = { command: process.execPath, args: [DOCUMENT_SERVER_PATH, DOCUMENTS_PATH] };
  const own = {
    ...config,
    providers: { ...config.providers, broken: { api: "openai-chat", baseURL: "http://127.0.0.1:1/v1" } },
    mcpServers: { documents, asking: { ...documents, tools: { "*": { approval: true } } } },
    limits: { modelAttemptsMax: 1 },
  };
  await writeFile(path, JSON.stringify(own));
}

/** Commands that were compared, by their first words. */
const driven = new Set<string>();

/** What the same steps say at both places, without what differs from store to store; it must be the same. */
async function same(steps: (steps: Steps) => Promise<void>): Promise<string> {
  const told = await Promise.all(
    places.map(async ({ cli, env }) => {
      let all = "";
      const run: Steps["run"] = async (...args) => {
        driven.add(args.join(" "));
        const result = await cli.run(args, env);
        all += `$ baton ${args.join(" ")}\n${result.stdout}${result.stderr}= ${result.code}\n`;
        return result;
      };
      const ok: Ok = async (...args) => {
        const result = await run(...args);
        if (result.code !== 0) throw new Error(`baton ${args.join(" ")}: ${result.code}\n${result.stderr}`);
        return result.stdout.trim();
      };
      const look: Steps["look"] = (pattern, ...args) =>
        until(
          async () => {
            const result = await cli.run(args, env);
            return pattern.test(result.stdout) && result;
          },
          { what: `${pattern} of baton ${args.join(" ")}`, withinMs: 60_000 },
        );
      await steps({ run, ok, look });
      return masked(all);
    }),
  );
  const [here = "", there] = told;
  expect(there).toBe(here);
  return here;
}

/** Names of the commands below it that do something themselves. */
function leavesOf(command: Command, path = ""): readonly string[] {
  return command.commands
    .filter((one) => one.name() !== "help")
    .flatMap((one) => {
      const name = `${path}${one.name()}`;
      return one.commands.length === 0 ? [name] : leavesOf(one, `${name} `);
    });
}

/** Without ids, times and durations; runs are numbered as they come. */
function masked(text: string): string {
  const ids = new Map<string, string>();
  return text
    .replace(/\br_0_[0-9A-Z]{26}\b/g, (id) => {
      ids.set(id, ids.get(id) ?? `run-${ids.size + 1}`);
      return ids.get(id) ?? "";
    })
    .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+Z)?/g, "<time>")
    .replace(/\b1[78]\d{11}\b/g, "<ms>")
    .replace(/\bcall_[\w-]+/g, "<call>")
    .replace(/"cursor":"[^"]*"/g, '"cursor":"<cursor>"')
    .replace(/\d+\.\d s\b/g, "<duration>")
    .replace(/"(oldest_wait_ms|ended_last_minute|pid|takeovers|epoch)":[\d.]+/g, '"$1":<n>')
    .replace(/"(workerId|host)":"[^"]*"/g, '"$1":"<name>"')
    .replace(/"(runs_per_second|eta_seconds)":[^,}]*/g, '"$1":<n>')
    .replace(/ {2,}/g, "  ");
}

const line = (customId: string, body: object = {}) =>
  JSON.stringify({ custom_id: customId, body: { input: `Write about ${customId}`, model: GPT, ...body } });

async function write(name: string, lines: readonly string[]): Promise<string> {
  for (const { cli } of places) await writeFile(join(cli.folder, name), `${lines.join("\n")}\n`);
  return name;
}

describe("what is said on Redis itself is said through the API, of", () => {
  test("pools", async () => {
    const told = await same(async ({ run, ok }) => {
      await run("pools", "ls");
      await run("pools", "set", GPT);
      await run("pools", "set", GPT, "--concurrency", "4", "--rpm", "600");
      await run("pools", "set", GPT, "--rpm", "none", "--json");
      await run("pools", "pause", GPT, "anthropic/claude-opus-4-5");
      await run("pools", "ls", "--json");
      await run("pools", "pause", "nobody/*");
      await run("pools", "set", "gpt");
      await run("pools", "resume", "openai/*", "--json");
      await ok("pools", "resume", "anthropic/*");
      await ok("pools", "ls", "--workers", "--json");
      await ok("pools", "ls");
    });
    expect(told).toContain(`${GPT} paused`);
    expect(told).toContain('"settings":{"concurrency":4}');
  }, 120_000);

  test("runs that go to their end", async () => {
    const told = await same(async ({ run, ok }) => {
      await ok(...TASK);
      const { id } = z.looseObject({ id: z.string() }).parse(JSON.parse(await ok(...TASK, "--json")));
      await ok("runs", "show", id);
      await ok("runs", "show", id, "--json");
      await ok("runs", "watch", id);
      await ok("runs", "watch", id, "--json");
      await ok("runs", "ls");
      await ok("runs", "ls", "--status", "succeeded", "--limit", "1", "--json");
      await run("runs", "fork", id);
      const forked = await ok("runs", "fork", id, "--input", "Shorter, please.", "--idempotency-key", "f");
      await ok("runs", "fork", id, "--input", "Shorter, please.", "--idempotency-key", "f", "--json");
      await ok("runs", "watch", forked);
      await run("run", "hi", "-m", "broken/x");
      await run("run", "hi", "-m", "broken/x", "--json");
      await run("runs", "retry", "--failed", "--error", "provider_unreachable", "-m", GPT);
    });
    expect(told).toMatch(/Written by a simulated model/);
    expect(told).toMatch(/2 retried/);
  }, 120_000);

  test("runs that are stopped, steered and answered", async () => {
    const told = await same(async ({ run, ok, look }) => {
      await ok("pools", "pause", GPT);
      const later = ["run", "hi", "-m", GPT, "--detach"];
      const [one, two] = [await ok(...later), await ok(...later, "--batch", "night", "--custom-id", "a")];
      await ok(...later, "--batch", "night", "--custom-id", "a", "--json");
      await run(...later, "--batch", "night", "--custom-id", "a", "--max-turns", "3");
      await ok("runs", "show", one);
      await ok("runs", "pause", one);
      await ok("runs", "show", one, "--json");
      await ok("runs", "ls", "--status", "waiting");
      await ok("runs", "resume", one, "--json");
      await ok("runs", "cancel", one);
      await run("runs", "cancel", one);
      await run("runs", "cancel", one, two);
      await ok("runs", "retry", "--status", "cancelled", "--batch", "night", "--json");
      await ok("pools", "resume", GPT);
      await ok("runs", "watch", two);

      const asking = [...TASK.map((word) => (word === "documents" ? "asking" : word)), "--detach"];
      const asked = await ok(...asking);
      await look(/approval/, "runs", "show", asked);
      await ok("runs", "show", asked);
      await ok("runs", "reject", "--reason", "approval", "--why", "not today");
      await look(/waiting \(approval\)(?:.|\n)*reject: /, "runs", "show", asked);
      await ok("pools", "pause", GPT);
      await ok("runs", "approve", asked);
      await run("runs", "approve", asked);
      await ok("runs", "cancel", "--status", "queued");
      await ok("runs", "show", asked);
      await ok("pools", "resume", GPT);
    });
    expect(told).toContain("rejected");
  }, 120_000);

  test("batches", async () => {
    const names = Array.from({ length: 20 }, (_, at) => `n${at}`);
    const file = await write(
      "good.jsonl",
      names.map((name) => line(name, name === "n7" ? { model: "broken/x" } : {})),
    );
    const bad = await write("bad.jsonl", [line("a"), "{", line("a"), '{"custom_id":"c"}', line("d")]);
    const twice = await write("twice.jsonl", ["", line("a", { max_turns: 3 }), line("e")]);
    await write("table.csv", ["name", "x", '"y, z"']);
    const told = await same(async ({ run, ok, look }) => {
      await run("batch", "submit", bad);
      await run("batch", "submit", bad, "--json");
      await ok("batch", "submit", bad, "--skip-invalid", "--id", "some");
      await run("batch", "submit", twice, "--id", "some");
      await run("batch", "submit", twice, "--id", "some", "--json");
      await ok("batch", "submit", file, "--check");
      const id = await ok("batch", "submit", file, "--weight", "2", "--budget-tokens", "1000000");
      await ok("batch", "submit", file, "--json");
      await ok(
        "batch",
        "submit",
        "table.csv",
        "--template",
        "Write of {{name}}",
        "-m",
        GPT,
        "--effort",
        "low",
      );
      await look(/"status":"ended"/, "batch", "status", id, "--json");
      await ok("batch", "status", id);
      await ok("batch", "status", id, "--json");
      await ok("batch", "results", id);
      await ok("batch", "results", id, "--status", "failed");
      await ok("batch", "errors", id, "--as-finished", "--follow");
      await ok("batch", "retry", id, "-m", GPT);
      await look(/succeeded +20/, "batch", "status", id);
      await ok("batch", "watch", id);
      await ok("batch", "retry", id, "--json");
      await ok("batch", "budget", id, "--usd", "5");
      await ok("batch", "cancel", id);
      await run("batch", "watch", "nothing");
      await run("batch", "results", "nothing");
      await run("batch", "cancel", "nothing");
      await run("batch", "submit", "nowhere.jsonl");
      await ok("batch", "ls", "--json");
    });
    expect(told).toMatch(/line 3 \(a\): custom_id: line 1 has the same one/);
    expect(told).toMatch(/20 of 20 runs ended: succeeded 20/);
  }, 180_000);

  test("what is wrong", async () => {
    await same(async ({ run }) => {
      await run("runs", "show", "xyz");
      await run("runs", "show", "r_0_00000000000000000000000000");
      await run("runs", "cancel", "r_0_00000000000000000000000000");
      await run("runs", "ls", "--status", "nope");
      await run("run", "hi");
      await run("run", "hi", "-m", "gpt");
      await run("runs", "retry");
    });
  }, 60_000);
});

test("each command was compared, but for those that remote-access.test.ts looks at", () => {
  const elsewhere = ["up", "api", "worker", "keys create", "keys ls", "keys revoke", "mcp", "doctor", "demo"];
  const all = leavesOf(buildProgram("0", () => undefined));
  expect(all).toEqual(expect.arrayContaining(elsewhere));
  const compared = (name: string) => [...driven].some((line) => line === name || line.startsWith(`${name} `));
  expect(all.filter((name) => !compared(name) && !elsewhere.includes(name))).toEqual([]);
});
