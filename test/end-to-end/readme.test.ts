/**
 * Each line of the README that is a command is run as it stands, against simulated models where it needs a model. Those that
 * call the API are in readme-http.test.ts.
 */
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseConfig, parseRunSpec } from "@baton/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CliRig, openCli } from "../support/cli.ts";
import { linksOf, ROOT, readPage } from "../support/doc-page.ts";
import { useRedis } from "../support/redis.ts";
import { simulatedSearch } from "../support/search-config.ts";

const page = await readPage("README.md");
const lines = page.blocksIn("sh").flatMap((block) => block.split("\n"));
const commands = lines.filter((line) => line.startsWith("npx baton ")).map((line) => words(line).slice(2));

const redis = useRedis();
let cli: CliRig;
beforeAll(async () => {
  cli = await openCli(redis.url);
});
afterAll(async () => cli[Symbol.asyncDispose]());

test("it opens with the demo and the tests, and every npm script that it names is there", async () => {
  expect(lines.slice(0, 2).map((line) => line.replace(/\s*#.*/, ""))).toEqual(["npm run demo", "npm test"]);
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(
    await readFile(join(ROOT, "package.json"), "utf8"),
  );
  const named = [...page.text.matchAll(/npm run ([a-z]+)/g)].map((match) => match[1] ?? "");
  expect(Object.keys(scripts)).toEqual(expect.arrayContaining(named));
});

test("its links lead to files that are there", () => {
  expect(linksOf(page).filter((link) => !existsSync(join(ROOT, link)))).toEqual([]);
});

test("its JSON is a valid configuration or run spec", async () => {
  const [config, pipeline, ...more] = page.blocksIn("json").map((block): unknown => JSON.parse(block));
  expect(more).toEqual([]);
  expect(Object.keys(parseConfig(config, "README.md").providers)).toEqual(["ollama"]);
  expect(parseRunSpec(pipeline).phases?.map((phase) => phase.name)).toEqual(["research", "write"]);
});

test("the run with both models and the search server works as it stands", async () => {
  const [args] = commands.filter((words) => words[0] === "run" && words.includes("tsion/brave-search-mcp"));
  const result = await cli.run(args ?? [], { BATON_CONFIG: await simulatedSearch(cli) });
  expect(result).toMatchObject({ code: 0, stderr: "" });
  expect(result.stdout).toMatch(/in the place of claude-sonnet-4-20250514/);
});

test("the pipeline works as it stands", async () => {
  await writeFile(join(cli.folder, "pipeline.json"), page.blocksIn("json")[1] ?? "");
  const [args] = commands.filter((words) => words.includes("pipeline.json"));
  const result = await cli.run(args ?? [], { BATON_CONFIG: await simulatedSearch(cli) });
  expect(JSON.parse(result.stdout)).toMatchObject({
    status: "succeeded",
    phases: [{ name: "research" }, { name: "write" }],
  });
});

test("its commands for runs work on a run", async () => {
  const detached = await cli.run(["run", "hi", "-m", "openai/gpt-5.2", "--detach"]);
  const id = detached.stdout.trim();
  const named = commands.filter((words) => words[0] === "runs");
  expect(named.map((words) => words[1])).toEqual([
    ...["ls", "show", "watch", "retry", "cancel"],
    ...["retry", "fork", "approve", "resume"],
  ]);
  // In an order in which each has something to do: a failed or cancelled run is retried, a running one watched.
  for (const verb of ["ls", "show", "cancel", "retry", "watch"]) {
    const words = named.find((one) => one[1] === verb) ?? [];
    const result = await cli.run(words.map((word) => (word.startsWith("r_0_") ? id : word)));
    expect({ verb, ...result }).toMatchObject({ verb, code: 0 });
  }
  // Of many: there is none that they mean, which is no failure. A fork at an item that this short run does not have,
  // and a word on a call that it does not ask for, are refused; that they work is shown in steering.test.ts.
  for (const [place, code] of [
    [5, 0],
    [6, 2],
    [7, 1],
    [8, 0],
  ] as const) {
    const words = (named[place] ?? []).map((word) => (word.startsWith("r_0_") ? id : word));
    expect({ words, ...(await cli.run(words)) }).toMatchObject({ words, code });
  }
});

test("its commands for pools and the doctor work", async () => {
  const named = commands.filter((words) => words[0] === "pools" || words[0] === "doctor");
  expect(named.map((words) => words.slice(0, 2).join(" "))).toEqual([
    "pools pause",
    "doctor",
    "pools ls",
    "pools set",
  ]);
  for (const words of named.filter(([first]) => first === "pools")) {
    expect({ words, ...(await cli.run(words)) }).toMatchObject({ words, code: 0 });
  }
  expect(await cli.run(["pools", "resume", "openai/gpt-5.2"])).toMatchObject({ code: 0 });
  // What it finds depends on the machine; that it finds something is what counts here.
  expect((await cli.run(["doctor"])).stdout).toContain("redis");
});

test("its commands for a batch work on a file, with a worker", async () => {
  await writeFile(join(cli.folder, "companies.csv"), "company\nTidal power\nWind power\n");
  const named = commands.filter((words) => words[0] === "batch");
  expect(named.map((words) => words[1])).toEqual(["submit", "watch", "results", "retry"]);
  await using worker = await cli.start(["worker", "-m", "openai/*", "-m", "anthropic/*", "--json"]);
  await worker.line(/^\{"ready":true/, 20_000);
  for (const words of named) {
    expect({ words, ...(await cli.run(words)) }).toMatchObject({ words, code: 0 });
  }
  const results = await cli.run(["batch", "results", "nightly"]);
  expect(results.stdout.trim().split("\n")).toHaveLength(2);
  worker.signal("SIGTERM");
  await worker.end(20_000);
});

test("its workers start, and stop when they are told", async () => {
  const serving = commands.filter((words) => words[0] === "worker" || words[0] === "up");
  expect(serving.map(([first]) => first)).toEqual(["up", "worker", "worker"]);
  for (const words of serving) {
    const free = words[0] === "up" ? ["--port", "0"] : [];
    await using worker = await cli.start([...words, ...free, "--json"]);
    await worker.line(/^\{"ready":true/, 20_000);
    worker.signal("SIGTERM");
    expect(await worker.end(20_000)).toEqual({ code: 0, signal: null });
  }
});

/** A command line's words, quotes taken off. */
function words(line: string): readonly string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    (match) => match[1] ?? match[2] ?? match[3] ?? "",
  );
}
