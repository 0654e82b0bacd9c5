/** Batches where something is odd: a run that is held, files that are the same, output that nobody reads. */
import { spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { type CliRig, openCli } from "../support/cli.ts";
import { useRedis } from "../support/redis.ts";

const MAIN = fileURLToPath(new URL("../../apps/cli/src/main.ts", import.meta.url));

const redis = useRedis();
let cli: CliRig;
beforeAll(async () => {
  cli = await openCli(redis.url);
});
afterAll(async () => cli[Symbol.asyncDispose]());

async function write(name: string, bodies: Readonly<Record<string, object>>): Promise<string> {
  const lines = Object.entries(bodies).map(([customId, body]) =>
    JSON.stringify({ custom_id: customId, body: { input: "Write", model: "openai/gpt-5.2", ...body } }),
  );
  await writeFile(join(cli.folder, name), `${lines.join("\n")}\n`);
  return name;
}

test("a result comes out while other runs of its batch are held", async () => {
  const file = await write("held.jsonl", { now: {}, later: { run_at: "2999-01-01T00:00:00Z" } });
  await cli.run(["batch", "submit", file, "--id", "held"]);
  await using worker = await cli.start(["worker", "-m", "openai/*", "--json"]);
  await worker.line(/^\{.*\}$/, 30_000);
  await using results = await cli.start(["batch", "results", "held", "--as-finished", "--follow"]);
  await results.line(/"custom_id":"now"/, 30_000);
  results.signal("SIGINT");
  expect(await results.end(20_000)).toEqual({ code: 1, signal: null });
}, 90_000);

test("bad lines are not written over the batch file", async () => {
  const file = await write("same.jsonl", { a: { model: "nope/x" } });
  const before = await readFile(join(cli.folder, file), "utf8");
  const result = await cli.run(["batch", "submit", file, "--invalid", `./${file}`]);
  expect(result).toMatchObject({ code: 2, stderr: expect.stringMatching(/names the batch file itself/) });
  expect(await readFile(join(cli.folder, file), "utf8")).toBe(before);
});

test("names of phases cannot steer the terminal", async () => {
  const phases = [{ name: "a\u001b[2Jb", model: "openai/gpt-5.2" }];
  const file = await write("names.jsonl", { a: { model: undefined, phases } });
  await cli.run(["batch", "submit", file, "--id", "names"]);
  const [run] = (await cli.run(["runs", "ls", "--batch", "names", "--json"])).stdout.split("\n");
  const { id } = z.looseObject({ id: z.string() }).parse(JSON.parse(run ?? ""));
  const shown = await cli.run(["runs", "show", id]);
  expect(shown.stdout).toMatch(/^ab +openai\/gpt-5\.2/m);
});

test("a second start of a batch is told to be ignored, the first one is not", async () => {
  const file = await write("start.jsonl", { a: {} });
  const submit = (at: string) => cli.run(["batch", "submit", file, "--id", "start", "--run-at", at]);
  expect((await submit("2998-01-01T00:00:00Z")).stderr).not.toContain("--run-at");
  const second = await submit("2999-01-01T00:00:00Z");
  expect(second.stderr).toMatch(/--run-at is not taken: .* starts at 2998-01-01T00:00:00\.000Z/);
});

test("a batch that has a budget and no run says so, with its small budget", async () => {
  const result = await cli.run(["batch", "budget", "new", "--usd", "0.0002"]);
  expect(result.stdout).toMatch(/^status +empty$/m);
  expect(result.stdout).toMatch(/ of 0\.0002$/m);
  expect(result.stderr).toContain("it has no runs yet");
});

test("an id that is none is refused before the file is looked at", async () => {
  const result = await cli.run(["batch", "submit", "nowhere.jsonl", "--id", "a b", "--check"]);
  expect(result).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/a batch's id has 1 to 64 letters/),
  });
});

describe("output", () => {
  const shell = (script: string): string =>
    spawnSync("sh", ["-c", script, process.execPath, MAIN], {
      cwd: cli.folder,
      env: { ...process.env, BATON_REDIS_URL: redis.url },
      encoding: "utf8",
      timeout: 30_000,
    }).stderr;

  test.each(["batch ls", "runs ls", "batch results start"])(
    "that nobody reads ends `%s` quietly, as the shell says of a broken pipe",
    async (command) => {
      await cli.run(["batch", "submit", await write("start.jsonl", { a: {} }), "--id", "start"]);
      await cli.run(["batch", "cancel", "start"]);
      const json = command.startsWith("batch results") ? "" : "--json";
      expect(shell(`("$0" "$1" ${command} ${json}; echo $? >&2) | true`)).toBe("141\n");
    },
  );

  test("that cannot be written is one line and no stack", async () => {
    await cli.run(["batch", "submit", await write("full.jsonl", { a: {} }), "--id", "full"]);
    expect(shell('"$0" "$1" batch ls --json > /dev/full; echo $? >&2')).toMatch(
      /^baton: standard output cannot be written: .*ENOSPC.*\n1\n$/,
    );
  });
});
