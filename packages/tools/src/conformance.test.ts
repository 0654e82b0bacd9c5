/**
 * MCP's own conformance suite, its client scenarios, with the tool host as the client.
 *
 * In scope: the handshake, calling tools, resuming a stream by the server's retry time. Out of scope:
 * - `auth/*`: OAuth flows with a person and a browser. A server's credentials are given by the operator as headers.
 * - `elicitation-*`: a client that declares elicitation can be asked by a server in the middle of a call. Nobody
 *   sits at a worker, so the host does not declare it, and servers do not ask.
 */
import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";

const suite = createRequire(import.meta.url)
  .resolve("@modelcontextprotocol/conformance/package.json")
  .replace(/package\.json$/, "dist/index.js");
const client = fileURLToPath(new URL("./testing/conformance-client.ts", import.meta.url));

const IN_SCOPE = { initialize: 1, tools_call: 1, "sse-retry": 3 } as const;

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

/** The suite hands its command to a shell, and a folder may have a space in its name. */
function quoted(path: string): string {
  return `'${path.replaceAll("'", "'\\''")}'`;
}

test.each(Object.entries(IN_SCOPE))(
  "scenario %s passes",
  async (scenario, checksMin) => {
    const folder = await mkdtemp(join(tmpdir(), "baton-conformance-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const command = `${quoted(process.execPath)} ${quoted(client)}`;
    const options = ["--scenario", scenario, "--timeout", "20000", "--output-dir", folder];
    const { code, output } = await runSuite("client", "--command", command, ...options);
    expect(code, output).toBe(0);

    const [results = ""] = await readdir(folder);
    const checks = checksSchema.parse(
      JSON.parse(await readFile(join(folder, results, "checks.json"), "utf8")),
    );
    const judged = checks.filter(({ status }) => status !== "INFO");
    // A warning is about timing, and a busy machine may be late.
    expect(judged.filter(({ status }) => status === "FAILURE")).toEqual([]);
    expect(judged.length).toBeGreaterThanOrEqual(checksMin);
  },
  30_000,
);

test("every other scenario of the suite is one that is out of scope", async () => {
  const { output } = await runSuite("list", "--client");
  const scenarios = [...output.matchAll(/^ +- (\S+)/gm)].map(([, name = ""]) => name);
  const others = scenarios.filter((name) => !Object.hasOwn(IN_SCOPE, name));
  expect(scenarios.length - others.length).toBe(3);
  for (const name of others) expect(name).toMatch(/^auth\/|^elicitation-/);
});
