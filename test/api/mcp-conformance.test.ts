/**
 * MCP's own conformance suite, its server scenarios, against `/mcp`.
 *
 * In scope is what it says of the protocol: the handshake, pings, the list of tools, many streams at once, and web pages
 * that try to reach a server on this machine. Out of scope:
 * - `tools-call-*`, `json-schema-*`, `elicitation-*`, `server-sse-polling`: these call tools of the suite's own example
 *   server (`test_simple_text` and the like), which no other server has. Two of them pass by accident, since an unknown
 *   tool is an error with a text; that says nothing. `mcp.test.ts` calls the tools that are here.
 * - `resources-*`, `prompts-*`, `completion-*`, `logging-*`: Baton offers tools alone, and declares nothing else.
 */
import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { openApiRig } from "../../apps/api/src/testing/api-rig.ts";
import { useRedis } from "../support/redis.ts";

const redis = useRedis();

const suite = createRequire(import.meta.url)
  .resolve("@modelcontextprotocol/conformance/package.json")
  .replace(/package\.json$/, "dist/index.js");

/** Each with the checks that it makes at least. */
const IN_SCOPE = {
  "server-initialize": 1,
  ping: 1,
  "tools-list": 1,
  "server-sse-multiple-streams": 1,
  "dns-rebinding-protection": 2,
} as const;
const OTHERS =
  /^(tools-call-|json-schema-|elicitation-|server-sse-polling$|resources-|prompts-|completion-|logging-)/;

const checksSchema = z.array(
  z.object({ id: z.string(), status: z.string(), errorMessage: z.string().optional() }),
);

async function runSuite(...args: readonly string[]) {
  const child = spawn(process.execPath, [suite, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const exited = new Promise<number | null>((resolve, reject) =>
    child.on("exit", resolve).on("error", reject),
  );
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  return { code, output: stdout + stderr };
}

test.each(Object.entries(IN_SCOPE))("scenario %s passes", async (scenario, checksMin) => {
  await using api = await openApiRig(redis.url);
  const folder = await mkdtemp(join(tmpdir(), "baton-conformance-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const options = ["--scenario", scenario, "--output-dir", folder];
  const { code, output } = await runSuite("server", "--url", `${api.url}/mcp`, ...options);
  expect(code, output).toBe(0);

  const [results = ""] = await readdir(folder);
  const file = await readFile(join(folder, results, "checks.json"), "utf8");
  const judged = checksSchema.parse(JSON.parse(file)).filter(({ status }) => status !== "INFO");
  expect(judged.filter(({ status }) => status !== "SUCCESS")).toEqual([]);
  expect(judged.length).toBeGreaterThanOrEqual(checksMin);
});

test("every other scenario of the suite is one that is out of scope", async () => {
  const { output } = await runSuite("list", "--server");
  const scenarios = [...output.matchAll(/^ +- (\S+)/gm)].map(([, name = ""]) => name);
  expect(scenarios).toEqual(expect.arrayContaining(Object.keys(IN_SCOPE)));
  for (const name of scenarios) if (!Object.hasOwn(IN_SCOPE, name)) expect(name).toMatch(OTHERS);
});
