/** Streams of the API that break: they go on where they were, without gap or duplicate. */
import { runIdSchema } from "@baton/core";
import { describe, expect, test } from "vitest";
import { eventFrames } from "./event-frames.ts";
import { RUN_ID } from "./testing/run-views.ts";
import { drop, openServer, problem } from "./testing/scripted-server.ts";

const never = new AbortController().signal;

async function list<Value>(values: AsyncIterable<Value>): Promise<Value[]> {
  const all: Value[] = [];
  for await (const value of values) all.push(value);
  return all;
}

async function* bytes(...texts: readonly string[]): AsyncGenerator<Uint8Array, void, void> {
  for (const text of texts) yield Buffer.from(text);
}

describe("event frames", () => {
  test("come whole however their bytes are cut", async () => {
    const text =
      ": hello\r\nretry: 10\n\nid: 1\nevent: a\ndata: über\n\ndata:x\ndata: y\n\nid: 3\n\nid: 4\ndata: cut";
    const whole = [
      { id: "1", event: "a", data: "über" },
      { id: undefined, event: "message", data: "x\ny" },
    ];
    expect(await list(eventFrames(bytes(text)))).toEqual(whole);
    const single = [...Buffer.from(text)].map((byte) => Uint8Array.of(byte));
    const slow = (async function* () {
      yield* single;
    })();
    expect(await list(eventFrames(slow))).toEqual(whole);
  });

  test("have a bound", async () => {
    const long = eventFrames(bytes("data: ", "x".repeat(60), "x".repeat(60), "\n\n"), 100);
    await expect(list(long)).rejects.toMatchObject({ code: "server_protocol" });
  });
});

describe("a watch", () => {
  const frame = (id: number, text: string) =>
    `id: ${id}-0\nevent: text\ndata: ${JSON.stringify({ type: "text", epoch: 1, phase: 0, text })}\n\n`;
  const asStream = { "content-type": "text/event-stream" };

  test("goes on behind the last whole event, over a broken stream, one that ended, and a server away", async () => {
    await using server = await openServer((_asked, response, place) => {
      if (place === 2) return problem(response, 503, "redis_unreachable");
      response.writeHead(200, asStream);
      if (place === 0) return void response.write(`${frame(1, "a")}id: 2-0\nevent: te`, () => drop(response));
      if (place === 1) return void response.end(`${frame(2, "b")}retry: 5\n\n: the API stops\n\n`);
      const stranger = 'id: 3-0\nevent: of_tomorrow\ndata: {"type":"of_tomorrow"}\n\n';
      response.end(`${stranger}${frame(4, "c")}event: end\ndata: {}\n\n`);
    });
    const remote = await server.connect();
    const seen = await list(remote.watch(RUN_ID, { after: "0-0" }, never));
    expect(seen.map(({ id }) => id)).toEqual(["1-0", "2-0", "4-0"]);
    expect(seen[2]?.event).toEqual({ type: "text", epoch: 1, phase: 0, text: "c" });
    expect(server.asked.map(({ headers }) => headers["last-event-id"])).toEqual(["0-0", "1-0", "2-0", "2-0"]);
  });

  test("ends where all was told, and throws what goes wrong for good", async () => {
    await using server = await openServer((_asked, response, place) => {
      if (place === 0) return void response.writeHead(204).end();
      response.writeHead(200, asStream);
      const error = { code: "store_corrupt", message: "it cannot be read" };
      response.end(`event: problem\ndata: ${JSON.stringify({ error })}\n\n`);
    });
    const remote = await server.connect();
    expect(await list(remote.watch(RUN_ID, {}, never))).toEqual([]);
    await expect(list(remote.watch(RUN_ID, {}, never))).rejects.toMatchObject({ code: "store_corrupt" });
    expect(server.asked).toHaveLength(2);
  });

  test("that nobody reads any more lets its connection fall", async () => {
    const closed = Promise.withResolvers<void>();
    await using server = await openServer((_asked, response) => {
      response.writeHead(200, asStream).write(frame(1, "a"));
      response.once("close", () => closed.resolve());
    });
    for await (const _event of (await server.connect()).watch(RUN_ID, {}, never)) break;
    await closed.promise;
    const letGo = new AbortController();
    for await (const _event of (await server.connect()).watch(RUN_ID, {}, letGo.signal)) letGo.abort();
    expect(server.asked).toHaveLength(2);
  });
});

describe("results of a batch", () => {
  const id = (place: number) => runIdSchema.parse(`r_0_${String(place).padStart(26, "0")}`);
  const line = (place: number, ms: string) =>
    `${JSON.stringify({ id: id(place), custom_id: `n${place}`, error: { code: "x", message: "y" }, cursor: `${ms}~${id(place)}` })}\n`;

  test("go on behind the last whole line; what ended in its millisecond comes once, a second end again", async () => {
    await using server = await openServer((_asked, response, place) => {
      response.writeHead(200, { "content-type": "application/x-ndjson" });
      const first = `${line(1, "a1")}${line(2, "a2")}${line(3, "a2")}{"id":"cut`;
      if (place === 0) return void response.write(first, () => drop(response));
      response.end(`\n${line(2, "a2")}${line(4, "a2")}${line(1, "a9")}`);
    });
    const remote = await server.connect();
    const told = await list(remote.batchErrors("b", { order: "finished", follow: true }, never));
    expect(told.map((one) => one.custom_id)).toEqual(["n1", "n2", "n3", "n4", "n1"]);
    expect(server.asked.map(({ url }) => new URL(url, server.url).searchParams.get("after"))).toEqual([
      null,
      `a2~${id(3)}`,
    ]);
  });
});
