/** What fails on its way to a real server: what is tried again, what is not, and what the model is told. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { McpServerConfig, ToolRetry } from "@baton/core";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  callTool,
  fixture,
  invocationOf,
  NEVER,
  NO_WAIT,
  selectionOf,
  testHost,
  textIn,
  until,
} from "./testing/hosts.ts";
import { type HttpFixture, type HttpFixtureOptions, startHttpFixture } from "./testing/http-fixture.ts";

const f = selectionOf(["f"]);
const isCall = (request: string) => request === "POST tools/call";
const callsOf = (web: HttpFixture) => web.requests.filter(isCall).length;
const http = (
  web: HttpFixture,
  extra: Pick<McpServerConfig, "tools" | "timeoutMs"> = {},
): McpServerConfig => ({
  url: web.url,
  headers: {},
  ...extra,
});

/** Refuses the first `times` calls with a status. */
function refusing(status: number, times: number, headers: Readonly<Record<string, string>> = {}) {
  let left = times;
  const onRequest: HttpFixtureOptions["onRequest"] = (response, request) => {
    if (!isCall(request) || left === 0) return false;
    left -= 1;
    response.writeHead(status, headers).end("not now");
    return true;
  };
  return { onRequest };
}

/** Calls one tool of `f`, and keeps what is told of retries. */
async function attempt(
  servers: { readonly f: McpServerConfig },
  name: string,
  { args = {}, delay = NO_WAIT }: { args?: Record<string, unknown>; delay?: () => Promise<void> } = {},
) {
  const retries: ToolRetry[] = [];
  await using host = testHost({ servers, clock: { delay, random: () => 0 } });
  const onRetry = (retry: ToolRetry) => retries.push(retry);
  const outcome = await host.call(invocationOf(f, name, args, { onRetry }), NEVER);
  return { isError: outcome.isError, text: textIn(outcome), retries };
}

describe("a status that passes", () => {
  test.each([408, 425, 429, 500, 502, 503, 504])(
    "%i is met by another try of what only reads",
    async (status) => {
      await using web = await startHttpFixture(refusing(status, 2));
      const { text, retries } = await attempt({ f: http(web) }, "echo", { args: { text: "there" } });
      expect(text).toBe("there");
      expect(retries).toEqual([
        { attempt: 1, waitMs: 125, message: `HTTP ${status}: not now` },
        { attempt: 2, waitMs: 250, message: `HTTP ${status}: not now` },
      ]);
      expect(callsOf(web)).toBe(3);
    },
  );

  test.each([
    [500, "meta: outcome unknown: f: HTTP 500: not now"],
    [504, "meta: outcome unknown: f: HTTP 504: not now"],
    [429, "meta failed: f: HTTP 429: not now"],
  ])("%i ends a call that may not be repeated", async (status, told) => {
    await using web = await startHttpFixture(refusing(status, 1));
    const { isError, text, retries } = await attempt({ f: http(web) }, "meta");
    expect(isError).toBe(true);
    expect(text).toContain(told);
    expect(retries).toEqual([]);
    expect(callsOf(web)).toBe(1);
  });

  test("that goes on is told after the third try", async () => {
    await using web = await startHttpFixture(refusing(503, 9));
    const { text } = await attempt({ f: http(web) }, "echo");
    expect(text).toBe("echo failed: f: HTTP 503: not now (tried 3 times)");
    expect(callsOf(web)).toBe(3);
  });

  test("is waited for as long as the server asks", async () => {
    await using web = await startHttpFixture(refusing(429, 1, { "retry-after": "3" }));
    const { text, retries } = await attempt({ f: http(web) }, "echo", { args: { text: "there" } });
    expect(text).toBe("there");
    expect(retries.map(({ waitMs }) => waitMs)).toEqual([3_000]);
  });

  test("is not waited for past the time that the call has", async () => {
    await using web = await startHttpFixture(refusing(503, 1, { "retry-after": "60" }));
    const { isError } = await attempt({ f: http(web, { timeoutMs: 30_000 }) }, "echo");
    expect(isError).toBe(true);
    expect(callsOf(web)).toBe(1);
  });
});

test.each([400, 401, 403, 409, 413, 422])(
  "the status %i is final, also for what only reads",
  async (status) => {
    await using web = await startHttpFixture(refusing(status, 1));
    const { isError, text } = await attempt({ f: http(web) }, "echo");
    expect(isError).toBe(true);
    expect(text).not.toContain("unknown");
    expect(callsOf(web)).toBe(1);
  },
);

test.each([
  ["fail", "the tool says no"],
  ["throw", "throw failed: f: the tool broke"],
])("what the tool itself answers is an answer, and not asked for again: %s", async (name, text) => {
  await using web = await startHttpFixture();
  const tools = { "*": { idempotent: true } };
  expect(await attempt({ f: http(web, { tools }) }, name)).toEqual({ isError: true, text, retries: [] });
  expect(callsOf(web)).toBe(1);
});

describe("a connection", () => {
  test("that is cut during a call is made again when the tool is idempotent", async () => {
    await using web = await startHttpFixture();
    const tools = { die: { idempotent: true } };
    const { text, retries } = await attempt({ f: http(web, { tools }) }, "die");
    expect(text).toBe("die failed: f: the connection was lost before the answer came (tried 3 times)");
    expect(retries).toHaveLength(2);
    expect(callsOf(web)).toBe(3);
  });

  test("that is cut during a call leaves the outcome unknown when it may not be repeated", async () => {
    await using web = await startHttpFixture();
    const { text, retries } = await attempt({ f: http(web) }, "die");
    expect(text).toContain("die: outcome unknown: f: the connection was lost before the answer came");
    expect(retries).toEqual([]);
    expect(callsOf(web)).toBe(1);
  });

  test("that is refused is tried again for any tool: nothing was sent", async () => {
    const first = await startHttpFixture();
    await using back = new AsyncDisposableStack();
    let now = 0;
    let comesBack = false;
    const delay = async (ms: number) => {
      now += ms;
      if (comesBack) back.use(await startHttpFixture({ port: first.port }));
    };
    await using host = testHost({
      servers: { f: http(first) },
      clock: { delay, now: () => now },
      limits: { toolTimeoutMs: 60_000 },
    });
    await host.list(f, NEVER);
    await first[Symbol.asyncDispose]();
    // Whatever connections were kept are found dead.
    expect((await callTool(host, f, "echo")).isError).toBe(true);
    now += 600_000;
    comesBack = true;
    const retries: ToolRetry[] = [];
    const onRetry = (retry: ToolRetry) => retries.push(retry);
    const outcome = await host.call(invocationOf(f, "meta", {}, { onRetry }), NEVER);
    expect(textIn(outcome)).toContain("r_0_test");
    expect(retries.map(({ message }) => message)).toEqual([expect.stringContaining("ECONNREFUSED")]);
  });

  test("to a server that this process never reached is tried again before the tool counts as none", async () => {
    const gone = await startHttpFixture();
    await gone[Symbol.asyncDispose]();
    await using back = new AsyncDisposableStack();
    let now = 0;
    const delay = async (ms: number) => {
      now += ms;
      back.use(await startHttpFixture({ port: gone.port }));
    };
    await using host = testHost({ servers: { f: http(gone) }, clock: { delay, now: () => now } });
    expect(textIn(await callTool(host, f, "echo", { text: "there" }))).toBe("there");
  });
});

describe("a child", () => {
  async function mortal(life: number, tools: McpServerConfig["tools"]) {
    const folder = await mkdtemp(join(tmpdir(), "baton-tools-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const starts = join(folder, "starts");
    const server = { ...fixture("--starts", starts), tools };
    const lives = async () => (await readFile(starts, "utf8")).trim().split("\n").length;
    return { ...(await attempt({ f: server }, "die_until", { args: { starts, life } })), lives };
  }

  test("that dies during a call of an idempotent tool is started anew, and asked again", async () => {
    const { text, retries, lives } = await mortal(2, { die_until: { idempotent: true } });
    expect(text).toBe("in life 2");
    expect(retries).toEqual([
      { attempt: 1, waitMs: 125, message: "exited with code 3; it said: the fixture dies" },
    ]);
    expect(await lives()).toBe(2);
  });

  test("that dies during a call that may not be repeated leaves the outcome unknown", async () => {
    const { text, retries, lives } = await mortal(2, undefined);
    expect(text).toBe(
      "die_until: outcome unknown: f: exited with code 3; it said: the fixture dies. " +
        "The call may or may not have taken effect. Check before you call it again.",
    );
    expect(retries).toEqual([]);
    expect(await lives()).toBe(1);
  });
});

test("every try carries the same idempotency key over the wire", async () => {
  const keys: unknown[] = [];
  const { onRequest } = refusing(503, 2);
  await using web = await startHttpFixture({
    onRequest: (response, request, body) => {
      // Bodies of calls are what the SDK's client sends: the parameters of a request.
      if (isCall(request)) keys.push((body as { params: { _meta: unknown } }).params._meta);
      return onRequest?.(response, request, body) ?? false;
    },
  });
  await attempt({ f: http(web) }, "echo");
  const meta = { "baton/idempotencyKey": "r_0_test/call_1", "baton/runId": "r_0_test" };
  expect(keys).toEqual([meta, meta, meta]);
});

describe.each(["stdio", "http"])("over %s", (kind) => {
  async function start() {
    if (kind === "stdio") return { config: fixture(), [Symbol.asyncDispose]: NO_WAIT };
    const web = await startHttpFixture();
    return { config: http(web), [Symbol.asyncDispose]: () => web[Symbol.asyncDispose]() };
  }

  test("the server receives the idempotency key", async () => {
    await using server = await start();
    await using host = testHost({ servers: { f: server.config } });
    expect(JSON.parse(textIn(await callTool(host, f, "meta")))).toEqual({
      "baton/idempotencyKey": "r_0_test/call_1",
      "baton/runId": "r_0_test",
    });
  });

  test("a server that sends what is too long is not asked for the same again", async () => {
    await using server = await start();
    const config = { ...server.config, tools: { talk: { readOnly: true } } };
    const { text, retries } = await attempt({ f: config }, "talk", { args: { chars: 40_000_000 } });
    expect(text).toContain("sent a message of more than 33554432 bytes");
    expect(retries).toEqual([]);
  });

  test("a call that is aborted ends within a second, and the server is told", async () => {
    await using server = await start();
    await using host = testHost({ servers: { f: server.config } });
    const controller = new AbortController();
    const reason = new Error("fenced");
    const ended = expect(callTool(host, f, "hang", {}, controller.signal)).rejects.toBe(reason);
    const hung = async () => textIn(await callTool(host, f, "hung"));
    await until("the call runs", async () => (await hung()).includes('"hanging":1'));
    const at = performance.now();
    controller.abort(reason);
    await ended;
    expect(performance.now() - at).toBeLessThan(1_000);
    await until("the cancellation arrived", async () => (await hung()).includes("the caller gave up"));
  });
});

test("an abort while it waits for another try ends the call within a second", async () => {
  await using web = await startHttpFixture(refusing(503, 1, { "retry-after": "20" }));
  await using host = testHost({ servers: { f: http(web) }, limits: { toolTimeoutMs: 60_000 } });
  const controller = new AbortController();
  const reason = new Error("fenced");
  const waits = Promise.withResolvers<void>();
  const call = host.call(invocationOf(f, "echo", {}, { onRetry: () => waits.resolve() }), controller.signal);
  const ended = expect(call).rejects.toBe(reason);
  await waits.promise;
  const at = performance.now();
  controller.abort(reason);
  await ended;
  expect(performance.now() - at).toBeLessThan(1_000);
  expect(callsOf(web)).toBe(1);
});
