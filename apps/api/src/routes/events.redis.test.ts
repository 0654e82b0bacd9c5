import { isTerminal, type RunId, runIdSchema, type StampedEvent } from "@baton/core";
import { runKeys } from "@baton/store";
import { EventSource } from "eventsource";
import { afterEach, beforeEach, expect, test } from "vitest";
import { useRedis } from "../../../../test/support/redis.ts";
import { eventsIn, openSse, type SseReader } from "../../../../test/support/sse-client.ts";
import { until } from "../../../../test/support/until.ts";
import { type ApiRig, openApiRig } from "../testing/api-rig.ts";

const redis = useRedis();
let api: ApiRig;
/** The model says what it is given, and waits for more; null ends its reply. */
let say: (text: string | null) => void;
beforeEach(async () => {
  const said: (string | null)[] = [];
  let wake = (): void => undefined;
  say = (text) => {
    said.push(text);
    wake();
  };
  api = await openApiRig(redis.url, {
    script: async (_request, signal, onDelta) => {
      for (;;) {
        signal.throwIfAborted();
        const text = said.shift();
        if (text === null) return { parts: [{ type: "text", text: "Done." }] };
        if (text !== undefined) onDelta({ kind: "text", text });
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
            signal.addEventListener("abort", () => resolve(), { once: true });
          });
        }
      }
    },
    api: { streamPace: { heartbeatMs: 50, stallMs: 1_000 } },
  });
});
afterEach(() => api[Symbol.asyncDispose]());

async function submit(): Promise<RunId> {
  const { body } = await api.call("POST", "/v1/runs", { input: "hi", model: "openai/gpt-5.2" });
  return runIdSchema.parse(body.id);
}

const pathOf = (id: RunId, after?: string) =>
  `${api.url}/v1/runs/${id}/events${after === undefined ? "" : `?after=${after}`}`;
const typesOf = (reader: SseReader) => reader.frames.map(({ event }) => event);
const textOf = (events: readonly StampedEvent[]) =>
  events.map(({ event }) => (event.type === "text" ? event.text : "")).join("");

test("a run is told from its beginning to its end, which is an event of its own", async () => {
  const id = await submit();
  const reader = await openSse(pathOf(id, "0-0"));
  expect(reader.status).toBe(200);
  expect(reader.headers["content-type"]).toBe("text/event-stream; charset=utf-8");
  say("Hel");
  await until(() => typesOf(reader).includes("text"), { what: "the first words" });
  say("lo.");
  say(null);
  expect(await reader.ended).toBe(true);
  expect(typesOf(reader).at(0)).toBe("phase");
  expect(reader.frames.at(-1)).toMatchObject({ event: "end", data: '{"status":"succeeded"}' });
  expect(reader.retryMs).toBe(1_000);
  expect(eventsIn(reader.frames)).toEqual(
    await Array.fromAsync(api.producer.watch(id, { after: "0-0" }, AbortSignal.timeout(5_000))),
  );
});

test("without an id a snapshot comes first, and from an id that is not known too", async () => {
  const id = await submit();
  say("Hello");
  await until(async () => (await api.producer.get(id)).run.status === "running", { what: "the claim" });
  for (const lastEventId of [undefined, "99999-0.0", "yesterday"]) {
    const reader = await openSse(pathOf(id), { lastEventId });
    await until(() => reader.frames.length > 0, { what: "the snapshot" });
    expect(eventsIn(reader.frames)[0]?.event).toMatchObject({ type: "snapshot", run: { id } });
    reader.drop();
  }
});

test("the header goes over the query, and each goes on behind its id", async () => {
  const id = await submit();
  say("a");
  say(null);
  await api.producer.result(id, AbortSignal.timeout(10_000));
  const story = eventsIn((await readToEnd(id, "0-0")).frames);
  for (const [place, { id: at }] of story.slice(0, -1).entries()) {
    expect(eventsIn((await readToEnd(id, at)).frames)).toEqual(story.slice(place + 1));
  }
  const both = await openSse(pathOf(id, "0-0"), { lastEventId: story.at(-2)?.id });
  await both.ended;
  expect(eventsIn(both.frames)).toEqual(story.slice(-1));
});

async function readToEnd(id: RunId, after: string): Promise<SseReader> {
  const reader = await openSse(pathOf(id, after));
  await reader.ended;
  return reader;
}

test("who asks again behind the end is answered 204, at which an EventSource stops", async () => {
  const id = await submit();
  say("a");
  say(null);
  const source = new EventSource(pathOf(id));
  const types: string[] = [];
  const codes: (number | undefined)[] = [];
  for (const type of ["snapshot", "phase", "text", "turn", "status", "end"]) {
    source.addEventListener(type, () => types.push(type));
  }
  source.addEventListener("error", (error) => codes.push(error.code));
  // The stream ends, it comes again by itself, and is told that there is no more.
  await until(() => codes.includes(204), { what: "the answer 204" });
  expect(source.readyState).toBe(EventSource.CLOSED);
  expect(types.filter((type) => type === "end" || type === "snapshot").sort()).toEqual(["end", "snapshot"]);
});

test("an EventSource stops behind the end of a run whose stream is long gone, too", async () => {
  const id = await submit();
  say(null);
  await api.producer.result(id, AbortSignal.timeout(10_000));
  await redis.connect().del(runKeys(id).events);
  const source = new EventSource(pathOf(id));
  const codes: (number | undefined)[] = [];
  let snapshots = 0;
  source.addEventListener("snapshot", () => {
    snapshots += 1;
  });
  source.addEventListener("error", (error) => codes.push(error.code));
  await until(() => codes.includes(204), { what: "the answer 204" });
  expect(source.readyState).toBe(EventSource.CLOSED);
  expect(snapshots).toBe(1);
  // An end that was told is no end any more once the run is put back to work.
  const told = (await readToEnd(id, "yesterday")).frames.findLast((frame) => frame.id)?.id;
  await redis.connect().hincrby(runKeys(id).run, "epoch", 1);
  expect(typesOf(await readToEnd(id, told ?? ""))).toEqual(["snapshot", "end"]);
});

test("a run that is not there is answered 404, and nothing is opened", async () => {
  const { status, body } = await api.call("GET", "/v1/runs/r_0_01J9ZC7Q8H2N3K4M5P6R7S8T9V/events");
  expect(status).toBe(404);
  expect(body.error.code).toBe("not_found");
});

test("heartbeats go out while nothing happens", async () => {
  const reader = await openSse(pathOf(await submit()));
  await until(() => reader.comments.length >= 3, { what: "three heartbeats" });
  reader.drop();
});

test("a reader that drops frees its subscription, also when nothing happens", async () => {
  const { hub } = api.store;
  const id = await submit();
  const before = hub.waiters;
  const readers = await Promise.all(Array.from({ length: 20 }, () => openSse(pathOf(id))));
  await until(() => hub.waiters === before + 20, { what: "all subscriptions" });
  for (const reader of readers) reader.drop();
  await until(() => hub.waiters === before, { what: "the end of the subscriptions" });
  const client = redis.connect();
  await until(async () => (await client.pubsub("CHANNELS", `*${id}*`)).length === 0, { what: "Redis' own" });
});

test("a reader that takes nothing is cut, and goes on by its last id", async () => {
  const { hub } = api.store;
  const before = hub.waiters;
  const id = await submit();
  const reader = await openSse(pathOf(id, "0-0"));
  say("a");
  await until(() => typesOf(reader).includes("text"), { what: "the first words" });
  reader.pause();
  // More than the system's own buffers of a connection take.
  const pieces = Array.from({ length: 300 }, (_, place) => `${place} `.padEnd(50_000, "x"));
  for (const piece of pieces) {
    say(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await until(() => hub.waiters === before, { what: "the cut", withinMs: 15_000 });
  reader.resume();
  expect(await reader.ended, "its connection was cut").toBe(false);
  const took = eventsIn(reader.frames);
  expect(textOf(took).length).toBeLessThan(pieces.length * 50_000);
  say(null);
  const rest = await readToEnd(id, took.at(-1)?.id ?? "");
  const whole = eventsIn((await readToEnd(id, "0-0")).frames);
  expect([...took, ...eventsIn(rest.frames)]).toEqual(whole);
  expect(textOf(whole).startsWith(`a${pieces.join("")}`)).toBe(true);
});

test("an API that stops tells its readers to come again, and they go on at the next one", async () => {
  const id = await submit();
  say("a");
  const reader = await openSse(pathOf(id, "0-0"));
  await until(() => typesOf(reader).includes("text"), { what: "the first words" });
  await api.restart();
  expect(await reader.ended, "the stream ends in order").toBe(true);
  expect(reader.comments.at(-1)).toContain("come again");
  expect(reader.retryMs).toBeLessThanOrEqual(1_000);
  expect(typesOf(reader)).not.toContain("end");
  const again = await openSse(pathOf(id), { lastEventId: reader.frames.findLast((frame) => frame.id)?.id });
  say("b");
  say(null);
  await again.ended;
  const events = [...eventsIn(reader.frames), ...eventsIn(again.frames)];
  expect(events).toEqual(
    await Array.fromAsync(api.producer.watch(id, { after: "0-0" }, AbortSignal.timeout(5_000))),
  );
  expect(textOf(events)).toContain("ab");
  const last = events.at(-1)?.event;
  expect(last?.type === "status" && isTerminal(last.status)).toBe(true);
});
