import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { breakDisk } from "../support/broken-disk.ts";
import { type CliRig, openCli } from "../support/cli.ts";
import { freshRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";

interface Check {
  readonly group: string;
  readonly name: string;
  readonly status: string;
  readonly found: string;
  readonly advice?: string;
}

let cli: CliRig;
beforeAll(async () => {
  cli = await openCli(undefined);
});
afterAll(async () => cli[Symbol.asyncDispose]());

type Variables = Readonly<Record<string, string | undefined>>;

async function examine(env: Variables, args: readonly string[] = []) {
  const result = await cli.run(["doctor", "--json", ...args], env);
  expect(result.stderr).toBe("");
  const told: { ok: boolean; checks: Check[] } = JSON.parse(result.stdout);
  const of = (group: string, name: string) =>
    told.checks.filter((check) => check.group === group && check.name === name);
  return { ...result, ...told, of };
}

test("with nothing set up it says what to set, makes nothing, and exits with 1", async () => {
  const env = { OPENAI_API_KEY: undefined, ANTHROPIC_API_KEY: undefined, BATON_CONFIG: "none.json" };
  await writeFile(join(cli.folder, "none.json"), "{}");
  const { code, ok, of } = await examine(env);
  expect({ code, ok }).toEqual({ code: 1, ok: false });
  expect(of("redis", "server")).toMatchObject([
    { status: "warn", advice: expect.stringMatching(/baton up.*BATON_REDIS_URL/) },
  ]);
  expect(of("providers", "usable")).toMatchObject([
    { status: "fail", advice: expect.stringMatching(/OPENAI_API_KEY/) },
  ]);
  expect(existsSync(join(cli.folder, ".baton"))).toBe(false);
});

test("an unreachable Redis is 3, after everything else was examined", async () => {
  const { code, of, stdout } = await examine({ BATON_REDIS_URL: "redis://:canary-pw@127.0.0.1:1" });
  expect(code).toBe(3);
  expect(of("redis", "server")).toMatchObject([
    { status: "fail", found: expect.stringMatching(/cannot be reached: ECONNREFUSED/) },
  ]);
  expect(of("tools", "documents")).toMatchObject([{ status: "ok", found: "2 tools" }]);
  expect(stdout).not.toContain("canary");
});

test("a Redis that cannot write to its disk is said to be that, not to be away", async () => {
  await using redis = await freshRedis();
  await using _disk = await breakDisk(redis);
  const { code, of } = await examine({ BATON_REDIS_URL: redis.url });
  expect(of("redis", "server")).toMatchObject([{ status: "ok" }]);
  expect(of("redis", "snapshot")).toMatchObject([
    { status: "fail", advice: expect.stringContaining("look at Redis' disk") },
  ]);
  expect(code).toBe(1);
  const run = await cli.run(["runs", "ls"], { BATON_REDIS_URL: redis.url });
  expect(run.code).toBe(3);
  expect(run.stderr).toContain("cannot write to its disk");
});

test("a Redis that accepts and says nothing does not hold the doctor up", async () => {
  const { code, check } = await examineBehind((socket) => void socket.on("error", () => undefined));
  expect(check?.found).toMatch(/no answer within 5 s/);
  expect(code).toBe(3);
});

test("a Redis that closes each connection is not said to be away", async () => {
  const { code, check } = await examineBehind((socket) => socket.destroy());
  expect(check).toMatchObject({ status: "fail", advice: expect.stringMatching(/rediss:.*protected mode/) });
  expect(code).toBe(3);
});

/** What the doctor finds of a Redis that is none. */
async function examineBehind(onConnection: (socket: Socket) => void) {
  const server = createServer(onConnection).listen(0, "127.0.0.1");
  await once(server, "listening");
  // A server that listens on TCP has an address of this form.
  const { port } = server.address() as AddressInfo;
  try {
    const { code, of } = await examine({ BATON_REDIS_URL: `redis://127.0.0.1:${port}` });
    return { code, check: of("redis", "server")[0] };
  } finally {
    server.close();
  }
}

test("beside `baton up` all is well: its own Redis is found, its worker and its reconciler are named", async () => {
  await using up = await cli.start(["up", "--port", "0", "--json"]);
  await up.line(/"ready":true/, 20_000);
  const { code, ok, of, checks } = await examine({}, ["--online"]);
  expect(of("redis", "server")).toMatchObject([
    { status: "ok", found: expect.stringMatching(/of the data folder/) },
  ]);
  expect(of("redis", "persistence")).toMatchObject([{ status: "ok" }]);
  expect(of("workers", "worker")).toMatchObject([
    { found: expect.stringMatching(new RegExp(`process ${up.pid}.*anthropic/\\*, openai/\\*`)) },
  ]);
  expect(of("reconciler", "last pass")).toMatchObject([{ status: "ok" }]);
  expect(checks.filter(({ status }) => status === "fail")).toEqual([]);
  expect({ code, ok }).toEqual({ code: 0, ok: true });
  const text = await cli.run(["doctor"]);
  expect(text.stdout).toMatch(/^Redis\n {2}ok {4}server/m);
  expect(text.stdout).toMatch(/^\d+ ok$/m);
  up.signal("SIGTERM");
  await up.end(20_000);
});

test("each fault of a sick installation is a line, and no secret is in any", {
  timeout: 90_000,
}, async () => {
  await using redis = await freshRedis();
  await using broken = await sicken(redis.url);
  const { code, ok, of, stdout } = await examine(broken.env);
  expect({ code, ok }).toEqual({ code: 1, ok: false });
  expect(of("redis", "server")).toMatchObject([{ status: "ok" }]);
  expect(of("redis", "eviction")).toMatchObject([
    { status: "fail", found: expect.stringMatching(/volatile-lru/) },
  ]);
  expect(of("redis", "memory")).toMatchObject([{ status: "fail" }]);
  expect(of("redis", "persistence")).toMatchObject([{ status: "warn" }]);
  expect(of("providers", "gateway")).toMatchObject([
    { status: "warn", found: "no key: GATEWAY_KEY is not set" },
  ]);
  expect(of("tools", "dies")).toMatchObject([
    { status: "fail", found: expect.stringMatching(/code 3.*redacted/) },
  ]);
  expect(of("tools", "search")).toMatchObject([
    { status: "fail", advice: expect.stringMatching(/set SEARCH_TOKEN/) },
  ]);
  expect(of("tools", "documents")).toMatchObject([
    { status: "warn", found: expect.stringMatching(/rule for its tool serch_documents/) },
  ]);
  expect(of("workers", "pool").map(({ advice }) => advice)).toContain("baton worker -m xai/grok-4");
  expect(of("workers", "unfit")).toMatchObject([
    { status: "fail", found: expect.stringMatching(/openai\/gpt-5\.2: server:documents$/) },
  ]);
  expect(of("reconciler", "records")).toMatchObject([
    { status: "fail", found: expect.stringContaining(broken.corrupt) },
  ]);
  expect(stdout).not.toContain("canary");
  const text = await cli.run(["doctor"], broken.env);
  expect(text.stdout + text.stderr).not.toContain("canary");
  expect(text.code).toBe(1);
});

/** Runs that cannot go on, a corrupt record, an evicting Redis without a file, servers and keys that are missing. */
async function sicken(url: string) {
  const plain = { BATON_REDIS_URL: url };
  const detach = async (args: readonly string[], env: Variables) => {
    const { stdout, stderr } = await cli.run(["run", "hi", "--detach", ...args], { ...plain, ...env });
    expect(stderr).toBe("");
    return stdout.trim();
  };
  await detach(["-m", "xai/grok-4"], { XAI_API_KEY: "canary-xai" });
  const corrupt = await detach(["-m", "anthropic/claude-opus-4-5"], {});
  const unfit = await detach(["-m", "openai/gpt-5.2", "--mcp", "documents"], {});
  await writeFile(join(cli.folder, "bare.json"), JSON.stringify({}));
  const worker = await cli.start(["worker", "-m", "openai/*", "--json"], {
    ...plain,
    BATON_CONFIG: "bare.json",
  });
  const client = new Redis(url);
  await until(() => client.hget(`{baton}:run:${unfit}`, "missing"), {
    what: "the worker to look at the run",
    withinMs: 20_000,
  });
  await client.hset(`{baton}:run:${corrupt}`, "status", "junk");
  const used = Number(/used_memory:(\d+)/.exec(await client.info("memory"))?.[1]);
  await client.config("SET", "requirepass", "canary-redis");
  await client.config("SET", "appendonly", "no");
  await client.config("SET", "maxmemory-policy", "volatile-lru");
  await client.config("SET", "maxmemory", String(Math.ceil(used * 1.01)));
  await writeFile(join(cli.folder, "sick.json"), JSON.stringify(await sickConfig()));
  const env = {
    BATON_REDIS_URL: `${url}?password=canary-redis`,
    BATON_CONFIG: "sick.json",
    OPENAI_API_KEY: "canary-openai",
  };
  return {
    env,
    corrupt,
    async [Symbol.asyncDispose]() {
      client.disconnect();
      await worker[Symbol.asyncDispose]();
    },
  };
}

async function sickConfig() {
  const { mcpServers } = JSON.parse(await readFile(join(cli.folder, "baton.config.json"), "utf8"));
  return {
    providers: {
      gateway: { api: "openai-chat", baseURL: "https://host/v1?key=canary", apiKeyEnv: "GATEWAY_KEY" },
    },
    mcpServers: {
      documents: { ...mcpServers.documents, tools: { serch_documents: { approval: true } } },
      dies: {
        command: process.execPath,
        args: ["-e", "console.error('token ' + process.env.TOKEN); process.exit(3)"],
        env: { TOKEN: "canary-token" },
      },
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the placeholder is expanded when the server is opened.
      search: { url: "https://host/mcp", headers: { Authorization: "Bearer ${SEARCH_TOKEN}" } },
    },
  };
}
