/** `baton keys` and an API that asks for them, with the real command line. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CliRig, openCli } from "../support/cli.ts";
import { useRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";

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

test("a key is shown once, listed without it, and revoked", async () => {
  const { key, ...shown } = await json(
    "keys",
    "create",
    "ci",
    "--scope",
    "read,submit",
    "--rpm",
    "60",
    "--max-live",
    "9",
  );
  expect(key).toMatch(/^bk_[0-9a-z]{12}_[0-9A-Za-z]{49}$/);
  expect(shown).toMatchObject({
    name: "ci",
    scopes: ["read", "submit"],
    namespace: shown.id,
    rpm: 60,
    max_live: 9,
  });
  const listed = await ok("keys", "ls", "--json");
  expect(JSON.parse(listed)).toEqual(shown);
  expect(await ok("keys", "ls")).toContain("60 requests a minute, 9 live runs");
  expect(await json("keys", "revoke", shown.id)).toEqual({ revoked: shown.id });
  expect(await ok("keys", "ls", "--json")).toBe("");
});

test("for people the key alone is on standard output", async () => {
  const { code, stdout, stderr } = await cli.run(["keys", "create", "mine", "--expires", "30"]);
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^bk_\S+\n$/)]);
  expect(stderr).toContain("shown once: read, submit on runs of namespace");
  expect(stderr).not.toContain(stdout.trim());
});

describe("refused with what to do", () => {
  test.each([
    [["create", "x", "--scope", "admin"], "read, submit, operate"],
    [["create", "x", "--namespace", "A/b"], "namespace"],
    [["create", "x", "--namespace", "all"], "--all-namespaces"],
    [["create", "x", "--namespace", "a", "--all-namespaces"], "either"],
    [["create", "x", "--all-namespaces", "--budget-usd", "1"], "namespace"],
    [["create", "x", "--expires", "0"], "above 0"],
    [["revoke"], "--all"],
    [["revoke", "nothing"], "baton keys ls"],
  ])("keys %j", async (args, what) => {
    const { code, stderr } = await cli.run(["keys", ...args]);
    expect(code).toBe(2);
    expect(stderr).toContain(what);
  });
});

test("an API for other machines starts with a key alone, and the key opens what it says", async () => {
  const refused = await cli.run(["api", "--host", "0.0.0.0", "--port", "0", "--json"]);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain("baton keys create");

  await using server = await cli.start(["api", "--port", "0", "--json"]);
  const { url } = await until(() => JSON.parse(server.stdout), { what: "the ready line", withinMs: 30_000 });
  const ask = (key?: string) =>
    fetch(`${url}/v1/runs`, { headers: key === undefined ? {} : { authorization: `Bearer ${key}` } });
  expect((await ask()).status).toBe(200);
  const { key, id } = await json("keys", "create", "ci");
  await until(async () => (await ask()).status === 401, { what: "the API to ask for keys", withinMs: 6_000 });
  expect((await ask(key)).status).toBe(200);
  await ok("keys", "revoke", id);
  await until(async () => (await ask(key)).status === 401, { what: "the refusal", withinMs: 6_000 });
  await ok("keys", "revoke", "--all");
  await until(async () => (await ask()).status === 200, { what: "the API to ask for none", withinMs: 6_000 });
  // The log has a line for each request, and no key.
  expect(server.stderr).toContain('"route":"/v1/runs"');
  expect(server.stderr).not.toContain(key);
});
