import { setTimeout as delay, setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { type FastifyInstance, fastify } from "fastify";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openSse } from "../../../../test/support/sse-client.ts";
import { until } from "../../../../test/support/until.ts";
import { EventStream, type StreamPace } from "./event-stream.ts";
import { comment, frameOf, retryHint } from "./frames.ts";

const PIECE = frameOf({ data: "x".repeat(100_000) });

let app: FastifyInstance;
let url: string;
let pace: StreamPace;
/** What the server does with its next stream. */
let serve: (stream: EventStream) => Promise<void>;
beforeEach(async () => {
  pace = { heartbeatMs: 60_000, stallMs: 60_000 };
  app = fastify();
  app.addHook("onRequest", async (_request, reply) => {
    reply.header("x-hook", "set");
  });
  app.get("/", async (_request, reply) => {
    const stream = EventStream.open(reply, pace);
    if (stream !== undefined) await serve(stream);
    return reply;
  });
  url = await app.listen({ host: "127.0.0.1", port: 0 });
});
afterEach(() => app.close());

test("frames arrive as they were written, with the headers that the app had set, and the end is orderly", async () => {
  serve = async (stream) => {
    await using _ended = stream;
    await stream.write(retryHint(250) + comment("hello"));
    await stream.write(frameOf({ id: "1-0.0", event: "text", data: { text: "two\nlines é" } }));
  };
  const reader = await openSse(url);
  expect(await reader.ended).toBe(true);
  expect(reader.headers).toMatchObject({ "x-hook": "set", connection: "close" });
  expect(reader.retryMs).toBe(250);
  expect(reader.comments).toEqual(["hello"]);
  expect(reader.frames).toEqual([{ id: "1-0.0", event: "text", data: '{"text":"two\\nlines é"}' }]);
});

test("a reader that takes nothing holds up the writing, and is cut", async () => {
  pace = { heartbeatMs: 60_000, stallMs: 300 };
  let written = 0;
  const { promise: over, resolve } = Promise.withResolvers<void>();
  serve = async (stream) => {
    while (!stream.gone.aborted && written < 100e6) {
      await stream.write(PIECE);
      written += PIECE.length;
    }
    resolve();
  };
  const reader = await openSse(url);
  reader.pause();
  await over;
  // What is written rests in the system's buffers of the two ends, and hardly anything here.
  expect(written).toBeLessThan(50e6);
  reader.resume();
  expect(await reader.ended).toBe(false);
});

test("a slow reader that goes on taking is not cut", async () => {
  pace = { heartbeatMs: 60_000, stallMs: 1_500 };
  const count = 300;
  serve = async (stream) => {
    await using _ended = stream;
    for (let done = 0; done < count; done += 1) await stream.write(PIECE);
  };
  const reader = await openSse(url, {
    onFrame: () => {
      // Half of the time it takes nothing.
      reader.pause();
      setTimeout(() => reader.resume(), 10);
    },
  });
  expect(await reader.ended).toBe(true);
  expect(reader.frames).toHaveLength(count);
});

test("a process that stood still does not take its reader for a slow one", async () => {
  pace = { heartbeatMs: 60_000, stallMs: 200 };
  // 0: the reader takes something; 1: so many pieces came.
  const shared = new Int32Array(new SharedArrayBuffer(8));
  const { promise: over, resolve } = Promise.withResolvers<boolean>();
  serve = async (stream) => {
    await using _ended = stream;
    let isFull = false;
    while (!isFull && !stream.gone.aborted) {
      const written = stream.write(PIECE);
      isFull = await Promise.race([written.then(() => false), delay(50, true)]);
      if (!isFull) continue;
      // Where timers have had their turn, they come next.
      await setImmediate();
      Atomics.store(shared, 0, 1);
      Atomics.notify(shared, 0);
      // Nothing happens here for longer than a reader may take nothing; the reader takes all meanwhile.
      Atomics.wait(shared, 1, 0);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * pace.stallMs);
      await written;
    }
    resolve(!stream.gone.aborted);
  };
  const reader = new Worker(READER, { eval: true, workerData: { url, shared } });
  expect(await over).toBe(true);
  await reader.terminate();
});

/** Takes nothing until it is told to, then all. */
const READER = `
  const { workerData: { url, shared } } = require("node:worker_threads");
  require("node:http").get(url, (response) => {
    Atomics.wait(shared, 0, 0);
    response.on("data", () => {
      Atomics.add(shared, 1, 1);
      Atomics.notify(shared, 1);
    });
  });
`;

test("heartbeats go out while nothing is written, and a reader that drops is noticed", async () => {
  pace = { heartbeatMs: 20, stallMs: 60_000 };
  let gone = false;
  serve = async (stream) => {
    await new Promise<void>((resolve) => stream.gone.addEventListener("abort", () => resolve()));
    gone = true;
  };
  const reader = await openSse(url);
  await until(() => reader.comments.length >= 3, { what: "three heartbeats" });
  reader.drop();
  await until(() => gone, { what: "the end of the stream" });
});

test("a write into a stream whose reader is gone resolves", async () => {
  const { promise, resolve } = Promise.withResolvers<number>();
  serve = async (stream) => {
    let written = 0;
    while (!stream.gone.aborted) {
      await stream.write(PIECE);
      written += 1;
    }
    await stream.write(PIECE);
    await stream[Symbol.asyncDispose]();
    resolve(written);
  };
  const reader = await openSse(url);
  await until(() => reader.frames.length > 0, { what: "the first frame" });
  reader.drop();
  expect(await promise).toBeGreaterThan(0);
});
