/** `baton pools set`, `pools ls` and what `runs show` says of a run that nobody works on: with the real command line. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CliRig, openCli } from "../support/cli.ts";
import { useRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";

const GPT = "openai/gpt-5.2";

const redis = useRedis();
let cli: CliRig;
beforeAll(async () => {
  cli = await openCli(redis.url);
});
afterAll(() => cli[Symbol.asyncDispose]());

async function ok(...args: readonly string[]): Promise<string> {
  const result = await cli.run(args);
  if (result.code !== 0)
    throw new Error(`baton ${args.join(" ")} ended with ${result.code}: ${result.stderr}`);
  return result.stdout;
}
const json = async (...args: readonly string[]) => JSON.parse(await ok(...args, "--json"));

test("settings of a pool are set, shown and cleared; what is no number is refused", async () => {
  expect(await ok("pools", "set", GPT)).toContain("nothing is set");
  expect(await json("pools", "set", GPT, "--concurrency", "4", "--max-active", "9")).toEqual({
    pool: GPT,
    settings: { concurrency: 4, maxActive: 9 },
  });
  expect(await ok("pools", "set", GPT, "--concurrency", "none", "--rpm", "60", "--tpm", "90000")).toContain(
    "max active 9, rpm 60, tpm 90000",
  );
  expect(await json("pools", "ls")).toMatchObject({
    pool: GPT,
    settings: { maxActive: 9, rpm: 60, tpm: 90_000 },
  });
  for (const wrong of ["0", "-1", "many", "1.5"]) {
    expect((await cli.run(["pools", "set", GPT, "--rpm", wrong])).code).toBe(2);
  }
  await ok("pools", "set", GPT, "--max-active", "none", "--rpm", "none", "--tpm", "none");
});

test("a run that no live worker serves says so, held or not, and says nothing once one does", async () => {
  const id = (await ok("run", "Say hello", "-m", GPT, "--detach")).trim();
  const alone = await json("runs", "show", id);
  expect(alone.notice).toBe(`no live worker serves ${GPT}: start one with \`baton worker -m ${GPT}\``);
  expect(await ok("runs", "show", id)).toContain(`no live worker serves ${GPT}`);
  await ok("pools", "pause", GPT);
  const held = (await json("runs", "show", id)).notice;
  expect(held).toContain(`no live worker serves ${GPT}`);
  expect(held).toContain("is paused");

  await using worker = await cli.start([
    "worker",
    "-m",
    GPT,
    "-m",
    "anthropic/*",
    "--concurrency",
    "7",
    "--json",
  ]);
  await worker.line(/^\{"ready":true/, 20_000);
  expect((await json("runs", "show", id)).notice).toBe(`the pool ${GPT} is paused`);
  expect(await json("pools", "ls")).toMatchObject({
    pool: GPT,
    backlog: 1,
    workers: 1,
    places: 7,
    held: "paused",
  });
  await ok("pools", "set", GPT, "--concurrency", "2");
  await until(async () => (await json("pools", "ls")).places === 2, { what: "the worker to tell its cap" });
  const shown = await json("pools", "ls", "--workers");
  expect(shown).toMatchObject({ concurrency: 7, active: 0, caps: { [GPT]: 2 }, pools: [GPT] });
  expect(await ok("pools", "ls", "--workers")).toContain(`${GPT} anthropic/*`);

  await ok("pools", "resume", GPT);
  await until(async () => (await json("runs", "show", id)).status === "succeeded", {
    what: "the run to succeed",
    withinMs: 20_000,
  });
  await until(async () => (await json("pools", "ls")).ended_last_minute === 1, {
    what: "the phase to be counted",
  });
  expect(await ok("pools", "ls")).toMatch(/^openai\/gpt-5\.2 \[simulated\] +0 +0 +- +0 +1 +2 +1 /m);
  worker.signal("SIGTERM");
  expect(await worker.end(20_000)).toMatchObject({ code: 0 });
}, 120_000);
