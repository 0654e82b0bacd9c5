/** Batches as people use them: a file in, its progress, results out, by the `baton` command as a real process. */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { type CliRig, openCli } from "../support/cli.ts";
import type { ScriptProcess } from "../support/processes.ts";
import { useRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";

const redis = useRedis();
let cli: CliRig;
beforeAll(async () => {
  cli = await openCli(redis.url);
  // A provider that nothing answers for, with one attempt: its runs fail at once.
  const path = join(cli.folder, "baton.config.json");
  const config = z
    .looseObject({ providers: z.looseObject({}) })
    .parse(JSON.parse(await readFile(path, "utf8")));
  const providers = { ...config.providers, broken: { api: "openai-chat", baseURL: "http://127.0.0.1:1/v1" } };
  await writeFile(path, JSON.stringify({ ...config, providers, limits: { modelAttemptsMax: 1 } }));
});
afterAll(async () => cli[Symbol.asyncDispose]());

const statusSchema = z.looseObject({
  id: z.string(),
  status: z.string(),
  lines: z.number().nullable(),
  total: z.number(),
  runs: z.record(z.string(), z.number()),
});

async function ok(args: readonly string[]) {
  const result = await cli.run(args);
  if (result.code !== 0) throw new Error(`baton ${args.join(" ")}: ${result.code}\n${result.stderr}`);
  return result;
}

function jsonLines<Shape extends z.ZodType>(text: string, shape: Shape): z.infer<Shape>[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => shape.parse(JSON.parse(line)));
}

async function statusOf(id: string) {
  return statusSchema.parse(JSON.parse((await ok(["batch", "status", id, "--json"])).stdout));
}

async function write(name: string, lines: readonly object[]): Promise<string> {
  await writeFile(join(cli.folder, name), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  return name;
}

const line = (customId: string, body: object = {}) => ({
  custom_id: customId,
  body: { input: `Write about ${customId}`, model: "openai/gpt-5.2", ...body },
});

async function startWorker(): Promise<ScriptProcess> {
  const models = ["openai/*", "anthropic/*", "broken/*"].flatMap((model) => ["-m", model]);
  const worker = await cli.start(["worker", ...models, "--json"]);
  await worker.line(/^\{.*\}$/, 30_000);
  return worker;
}

test("a file goes in, is watched to its end, its results come out in its order; what failed is retried", async () => {
  const names = Array.from({ length: 20 }, (_, at) => `n${at}`);
  const file = await write(
    "small.jsonl",
    names.map((name) => line(name, name === "n7" ? { model: "broken/x" } : {})),
  );
  const submitted = await ok(["batch", "submit", file]);
  const id = submitted.stdout.trim();
  const sha256 = createHash("sha256").update(await readFile(join(cli.folder, file)));
  expect(id).toBe(`b_${sha256.digest("hex").slice(0, 20)}`);
  expect(submitted.stderr).toMatch(/^20 new runs\nno live worker serves /);
  expect((await ok(["batch", "submit", file])).stderr).toMatch(/^0 new runs, 20 that were there already\n/);
  expect((await ok(["batch", "ls"])).stdout).toMatch(new RegExp(`${id} .*working +20 +queued 20`));
  await using _worker = await startWorker();
  const watched = await cli.run(["batch", "watch", id]);
  expect(watched.code).toBe(1);
  expect(watched.stdout).toMatch(/20 of 20 runs ended: succeeded 19 · failed 1\n$/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: this is what must not be there.
  expect(watched.stdout + watched.stderr).not.toMatch(/\u001b/);
  const results = jsonLines(
    (await ok(["batch", "results", id])).stdout,
    z.looseObject({ id: z.string(), custom_id: z.string(), status: z.string() }),
  );
  expect(results.map(({ custom_id: name }) => name)).toEqual(names);
  expect(results.filter(({ status }) => status !== "succeeded").map(({ custom_id: name }) => name)).toEqual([
    "n7",
  ]);
  expect(results[0]).toMatchObject({ final_output: expect.stringMatching(/simulated model/) });
  const errors = jsonLines((await ok(["batch", "errors", id])).stdout, z.looseObject({}));
  expect(errors).toEqual([
    {
      id: results[7]?.id,
      custom_id: "n7",
      error: { code: "provider_unreachable", message: expect.stringMatching(/broken could not be reached/) },
      cursor: expect.any(String),
    },
  ]);
  const retried = await ok(["batch", "retry", id, "--failed", "-m", "openai/gpt-5.2", "--json"]);
  expect(JSON.parse(retried.stdout)).toEqual({ batch: id, retried: 1, refused: 0, complete: true });
  const again = await ok(["batch", "watch", id, "--json"]);
  const seen = jsonLines(again.stdout, statusSchema);
  expect(seen.at(-1)).toMatchObject({ status: "ended", lines: 20, runs: { succeeded: 20, failed: 0 } });
  const finished = jsonLines(
    (await ok(["batch", "results", id, "--as-finished", "--follow"])).stdout,
    z.looseObject({ custom_id: z.string() }),
  );
  expect(finished).toHaveLength(20);
  expect(finished.at(-1)?.custom_id).toBe("n7");
}, 120_000);

describe("a file with bad lines", () => {
  const bad = [line("a"), line("b", { model: "nope/x" }), line("a"), { custom_id: "c" }, line("d")];

  test("is told whole, and nothing of it is submitted", async () => {
    const file = await write("bad.jsonl", bad);
    const result = await cli.run(["batch", "submit", file, "--id", "bad", "--invalid", "invalid.jsonl"]);
    expect(result).toMatchObject({ code: 2, stdout: "" });
    expect(result.stderr.trim().split("\n")).toEqual([
      expect.stringMatching(/^line 2 \(b\): there is no provider nope for nope\/x/),
      "line 3 (a): custom_id: line 1 has the same one",
      expect.stringMatching(/^line 4 \(c\): body: /),
      "baton: 3 of 5 lines cannot be submitted, so nothing was; --skip-invalid submits the others",
    ]);
    const shape = z.looseObject({ line: z.number(), custom_id: z.string(), reason: z.string() });
    const listed = jsonLines(await readFile(join(cli.folder, "invalid.jsonl"), "utf8"), shape);
    expect(listed.map((one) => one.line)).toEqual([2, 3, 4]);
    expect(await cli.run(["batch", "status", "bad"])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/there is no batch bad/),
    });
  });

  test("is told as JSON lines, and submits what is right when that is asked for", async () => {
    const file = await write("bad.jsonl", bad);
    const told = await cli.run(["batch", "submit", file, "--json"]);
    expect(told).toMatchObject({ code: 2, stderr: "" });
    const lines = jsonLines(told.stdout, z.looseObject({}));
    expect(lines.map((one) => one.line ?? one.invalid)).toEqual([2, 3, 4, 3]);
    const skipped = await ok(["batch", "submit", file, "--skip-invalid", "--id", "skipped", "--json"]);
    expect(jsonLines(skipped.stdout, z.looseObject({})).at(-1)).toEqual({
      ...{ id: "skipped", runs: 2, invalid: 3, created: 2, known: 0, conflicts: 0, complete: true },
    });
  });

  test("of which the same names stand for other bodies tells of each, and submits the others", async () => {
    await ok(["batch", "submit", await write("one.jsonl", [line("a"), line("b")]), "--id", "twice"]);
    const file = await write("two.jsonl", [line("b", { max_turns: 3 }), line("c")]);
    const result = await cli.run(["batch", "submit", file, "--id", "twice"]);
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(
      /^line 1 \(b\): its custom_id is that of run r_\w+, which has another body\n/,
    );
    expect(await statusOf("twice")).toMatchObject({ total: 3 });
  });
});

test("a table with a template, by standard input, with what holds for all of its rows", async () => {
  await mkdir(join(cli.folder, "tmp"), { recursive: true });
  const args = [
    "batch",
    "submit",
    "-",
    "--template",
    "Write about {{company}}",
    "--format",
    "csv",
    "--id",
    "csv",
  ];
  const flags = ["-m", "openai/gpt-5.2", "--instructions", "Be brief.", "--temperature", "0.5"];
  await using child = await cli.start([...args, ...flags, "--run-at", "2999-01-01T00:00:00Z", "--json"], {
    TMPDIR: join(cli.folder, "tmp"),
  });
  child.write('company\n"Acme, Inc"\nFoo\n');
  child.closeInput();
  expect(await child.end(60_000)).toEqual({ code: 0, signal: null });
  expect(JSON.parse(child.stdout)).toMatchObject({ id: "csv", runs: 2, created: 2 });
  const left = (await readdir(join(cli.folder, "tmp"))).filter((name) => name.startsWith("baton"));
  expect(left).toEqual([]);
  const status = await ok(["batch", "status", "csv"]);
  expect(status.stderr).toMatch(/none of its runs starts before 2999-01-01T00:00:00.000Z/);
  const listed = jsonLines(
    (await ok(["runs", "ls", "--batch", "csv", "--json"])).stdout,
    z.looseObject({ id: z.string() }),
  );
  expect(listed).toHaveLength(2);
  const shown = await ok(["runs", "show", listed[1]?.id ?? ""]);
  expect(shown.stdout).toContain("user: Write about Acme, Inc");
  const wrong = await cli.run(["batch", "submit", "small.csv", "--template", "{{x}}"]);
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringMatching(/small\.csv cannot be read/) });
}, 60_000);

test("a batch is cancelled whole, and its cancelled runs can be put back to work", async () => {
  const file = await write("cancel.jsonl", [line("a"), line("b"), line("c")]);
  await ok(["batch", "submit", file, "--id", "cancelled"]);
  expect((await ok(["batch", "cancel", "cancelled"])).stdout).toBe("3 runs cancelled\n");
  expect((await statusOf("cancelled")).runs).toMatchObject({ cancelled: 3, queued: 0 });
  expect(await cli.run(["batch", "watch", "cancelled", "--json"])).toMatchObject({ code: 1 });
  expect((await ok(["batch", "retry", "cancelled", "--failed"])).stdout).toBe("0 runs retried\n");
  expect((await ok(["batch", "retry", "cancelled", "--cancelled"])).stdout).toBe("3 runs retried\n");
  await using _worker = await startWorker();
  expect(await cli.run(["batch", "watch", "cancelled", "--json"])).toMatchObject({ code: 0 });
}, 120_000);

test("a batch stops at its budget and goes on when that is raised", async () => {
  const file = await write(
    "budget.jsonl",
    Array.from({ length: 200 }, (_, at) => line(`n${at}`)),
  );
  await ok(["batch", "submit", file, "--id", "budget", "--budget-tokens", "300"]);
  await using _worker = await startWorker();
  await until(
    async () => {
      const { runs, budget_spent: isSpent } = await statusOf("budget");
      return isSpent === true && runs.running === 0;
    },
    { what: "the budget to be spent", withinMs: 60_000 },
  );
  const stopped = await statusOf("budget");
  expect(stopped.runs.succeeded).toBeLessThan(200);
  expect((await ok(["batch", "status", "budget"])).stderr).toMatch(/its budget is spent: raise it with/);
  await ok(["batch", "budget", "budget", "--tokens", "10000000"]);
  expect(await cli.run(["batch", "watch", "budget", "--json"])).toMatchObject({ code: 0 });
  expect((await statusOf("budget")).runs).toMatchObject({ succeeded: 200, waiting: 0 });
}, 180_000);

test("Ctrl-C leaves a watched batch running, and says so", async () => {
  await ok(["batch", "submit", await write("left.jsonl", [line("a")]), "--id", "left"]);
  await using child = await cli.start(["batch", "watch", "left"]);
  await child.line(/0 of 1 runs ended: queued 1/, 30_000);
  child.signal("SIGINT");
  expect(await child.end(20_000)).toEqual({ code: 0, signal: null });
  expect(child.stderr).toMatch(/The batch goes on without you: baton batch watch left/);
  expect((await statusOf("left")).runs.queued).toBe(1);
}, 60_000);

test.each<[what: string, args: readonly string[], says: RegExp]>([
  ["a file that is not there", ["submit", "nowhere.jsonl"], /nowhere\.jsonl cannot be read/],
  ["a folder", ["submit", "."], /\. is no file/],
  [
    "a template for JSON",
    ["submit", "x.jsonl", "--format", "jsonl", "--template", "x"],
    /--template is for CSV/,
  ],
  ["a format that is none", ["submit", "x.jsonl", "--format", "xml"], /--format is jsonl or csv, not xml/],
  [
    "a time without its zone",
    ["submit", "x.jsonl", "--run-at", "tomorrow"],
    /--run-at is a time with its zone/,
  ],
  ["a batch that is not there", ["watch", "nothing"], /there is no batch nothing/],
  ["results of none", ["results", "nothing"], /there is no batch nothing/],
  [
    "a status that is none",
    ["results", "nothing", "--status", "queued"],
    /--status is succeeded, failed, cancelled/,
  ],
  ["following the order of lines", ["results", "nothing", "--follow"], /--follow goes with --as-finished/],
])("%s gets one clear line", async (_, args, says) => {
  const result = await cli.run(["batch", ...args]);
  expect(result).toMatchObject({ code: 2, stdout: "" });
  expect(result.stderr.trim().split("\n")).toHaveLength(1);
  expect(result.stderr).toMatch(says);
});
