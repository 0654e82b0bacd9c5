/** JSON lines to readers of all kinds, over real connections. */
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { type FastifyReply, fastify } from "fastify";
import { expect, test } from "vitest";
import { until } from "../../../../test/support/until.ts";
import { openRaw } from "../testing/raw-request.ts";
import { type ActAnswer, answerAct, type Live } from "./answer-act.ts";
import { type SendLinesOptions, sendLines } from "./send-lines.ts";

const never = new AbortController().signal;

async function serve(options: {
  readonly lines?: (signal: AbortSignal) => AsyncIterable<unknown>;
  readonly act?: (live: Live) => Promise<ActAnswer>;
  readonly sending?: Partial<SendLinesOptions>;
  /** What is done before anything is answered. */
  readonly first?: (reply: FastifyReply) => Promise<unknown>;
}) {
  const app = fastify();
  const { lines, act, sending, first } = options;
  app.get("/", async (httpRequest, reply: FastifyReply) => {
    await first?.(reply);
    if (act !== undefined) return answerAct(httpRequest, reply, act);
    return sendLines(reply, lines ?? (() => none()), { stopping: never, ...sending });
  });
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  return {
    url,
    async [Symbol.asyncDispose]() {
      app.server.closeAllConnections();
      await app.close();
    },
  };
}

async function* none() {}

/** Asks, and takes nothing of the answer yet. */
async function ask(url: string): Promise<IncomingMessage> {
  const sent = request(url, { headers: { accept: "application/x-ndjson" } }).end();
  const [response] = await once(sent, "response");
  // A connection that is cut is what some of these tests are about.
  response.on("error", () => undefined);
  return response;
}

const LONG = { text: "x".repeat(10_000) };

test("an empty line comes while no other does, and the lines come whole", async () => {
  const seen = Promise.withResolvers<void>();
  const lines = async function* () {
    yield { line: 1 };
    await seen.promise;
    yield { line: 2 };
  };
  await using served = await serve({ lines, sending: { heartbeatMs: 10 } });
  let text = "";
  for await (const chunk of await ask(served.url)) {
    text += chunk;
    if (text.includes("\n\n\n")) seen.resolve();
  }
  expect(text).toMatch(/^\{"line":1\}\n{3,}\{"line":2\}\n$/);
});

test("what is wrong before the first line is an answer, and after it cuts the connection", async () => {
  const wrong = async function* (signal: AbortSignal) {
    if (!signal.aborted) throw Object.assign(new Error("wrong"), { statusCode: 400 });
    yield {};
  };
  await using first = await serve({ lines: wrong });
  expect((await fetch(first.url)).status).toBe(400);
  const later = async function* () {
    yield { line: 1 };
    throw new Error("later");
  };
  await using second = await serve({ lines: later });
  await expect(fetch(second.url).then((answer) => answer.text())).rejects.toThrow();
});

test("who speaks HTTP/1.0, as many a proxy does, does not take a part for the whole either", async () => {
  const isThere = Promise.withResolvers<void>();
  const lines = async function* () {
    yield { line: 1 };
    await isThere.promise;
    throw new Error("half-way");
  };
  await using served = await serve({ lines });
  using raw = await openRaw(served.url);
  const errors: unknown[] = [];
  raw.socket.on("error", (error) => errors.push(error));
  raw.socket.on("data", (bytes: Buffer) => {
    if (bytes.includes('{"line":1}')) isThere.resolve();
  });
  raw.socket.write("GET / HTTP/1.0\r\n\r\n");
  expect(await raw.ended).toMatch(/\{"line":1\}\n$/);
  expect(errors).toMatchObject([{ code: "ECONNRESET" }]);
});

test("nor does one that has taken nothing for long, and goes on when it was cut", async () => {
  const cut = Promise.withResolvers<void>();
  const lines = async function* (signal: AbortSignal) {
    signal.addEventListener("abort", () => cut.resolve());
    while (!signal.aborted) yield LONG;
  };
  await using served = await serve({ lines, sending: { stallMsMax: 200 } });
  using raw = await openRaw(served.url);
  const errors: unknown[] = [];
  raw.socket.on("error", (error) => errors.push(error));
  raw.socket.pause().write("GET / HTTP/1.0\r\n\r\n");
  await cut.promise;
  raw.socket.resume();
  await raw.ended;
  expect(errors).toMatchObject([{ code: "ECONNRESET" }]);
});

test("a reader that takes nothing is not read for, and is cut in the end", async () => {
  const made = { lines: 0, isOver: false };
  const lines = async function* (signal: AbortSignal) {
    try {
      for (; !signal.aborted; made.lines += 1) yield LONG;
    } finally {
      made.isOver = true;
    }
  };
  await using served = await serve({ lines, sending: { stallMsMax: 200 } });
  await ask(served.url);
  await until(() => made.isOver, { what: "the end" });
  // What two sockets and their streams hold, far from what could be made in that time.
  expect(made.lines).toBeLessThan(2_000);
});

test("an act goes on though its caller leaves, and tells nobody", async () => {
  const left = Promise.withResolvers<void>();
  let told = 0;
  const act = async (live: Live) => {
    live.begin(() => ({ told }));
    await left.promise;
    for (; told < 10_000; told += 1) await live.tell(LONG);
    return { status: 200, body: {} };
  };
  await using served = await serve({ act });
  const response = await ask(served.url);
  response.destroy();
  left.resolve();
  await until(() => told === 10_000, { what: "the end of the act" });
});

test("an act waits for a reader that is slow, and ends with its answer or its error", async () => {
  let told = 0;
  const act = async (live: Live) => {
    live.begin(() => ({ told }));
    for (; told < 2_000; told += 1) await live.tell(LONG);
    throw Object.assign(new Error("half-way"), {});
  };
  await using served = await serve({ act });
  const response = await ask(served.url);
  let last = -1;
  await until(
    () => {
      const isStill = told === last && told > 0;
      last = told;
      return isStill;
    },
    { what: "the act to wait" },
  );
  expect(told).toBeLessThan(2_000);
  let text = "";
  for await (const chunk of response) text += chunk;
  const lines = text.trim().split("\n");
  expect(lines.filter((line) => line.includes("xxx"))).toHaveLength(2_000);
  expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({ type: "error", error: { code: "internal" } });
});

/** Asks, and has left when the server comes to its answer. */
function leaveFirst(): { readonly first: (reply: FastifyReply) => Promise<unknown>; ask(url: string): void } {
  let leave = (): void => undefined;
  return {
    first: async ({ raw }) => {
      leave();
      await once(raw, "close");
    },
    ask(url) {
      const sent = request(url, { headers: { accept: "application/x-ndjson" } }).end();
      // It is cut by this test itself.
      sent.on("error", () => undefined);
      leave = () => sent.destroy();
    },
  };
}

test("for a reader that had left before the first line, none is looked for any more", async () => {
  const { first, ask: askAndLeave } = leaveFirst();
  const over = Promise.withResolvers<void>();
  // What waits for lines that may not come for hours hears of it by its signal alone.
  const lines = async function* (signal: AbortSignal) {
    if (!signal.aborted) await once(signal, "abort");
    over.resolve();
    yield* [];
  };
  await using served = await serve({ first, lines, sending: { heartbeatMs: 10 } });
  askAndLeave(served.url);
  await over.promise;
});

function longAct() {
  const so = { told: 0 };
  const act = async (live: Live) => {
    live.begin(() => so);
    for (; so.told < 1_000; so.told += 1) await live.tell(LONG);
    return { status: 200, body: {} };
  };
  return { so, act };
}

test("an act goes on though its caller had left before it began", async () => {
  const { first, ask: askAndLeave } = leaveFirst();
  const { so, act } = longAct();
  await using served = await serve({ first, act });
  askAndLeave(served.url);
  await until(() => so.told === 1_000, { what: "the end of the act" });
});

test("an act goes on though somebody else has answered its caller", async () => {
  const { so, act } = longAct();
  const first = async (reply: FastifyReply) => {
    const closed = once(reply.raw, "close");
    reply.code(503).send("away");
    await closed;
  };
  await using served = await serve({ first, act });
  const answer = await fetch(served.url, { headers: { accept: "application/x-ndjson" } });
  expect(answer.status).toBe(503);
  await until(() => so.told === 1_000, { what: "the end of the act" });
});
