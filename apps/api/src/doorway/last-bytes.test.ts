/** Answers that are larger than what a connection holds, to readers that are slow, or stand still. */
import { once } from "node:events";
import type { RequestListener } from "node:http";
import { connect, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { until } from "../../../../test/support/until.ts";
import { type Doorway, openDoorway } from "./doorway.ts";

const LARGE = Buffer.alloc(20_000_000, "x");

async function open(handler: RequestListener, stallMsMax?: number): Promise<Doorway> {
  const doorway = await openDoorway({ host: "127.0.0.1", port: 0, bounds: { stallMsMax } });
  onTestFinished(() => doorway[Symbol.asyncDispose]());
  doorway.open(handler, 10);
  return doorway;
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: here\r\n\r\n`;

/** A client that has asked, and takes nothing until it is resumed. */
async function ask(doorway: Doorway, text: string): Promise<{ socket: Socket; took: () => string }> {
  const socket = connect(Number(new URL(doorway.url).port), "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  socket.on("error", () => undefined);
  const taken: Buffer[] = [];
  socket.on("data", (bytes: Buffer) => taken.push(bytes));
  socket.pause();
  const asked = once(doorway.server, "request");
  socket.write(text);
  await asked;
  return { socket, took: () => Buffer.concat(taken).toString() };
}

test("an answer that is on its way when it closes comes to its last byte, and idle connections are closed behind it", async () => {
  const doorway = await open((request, response) =>
    response.end(request.url === "/large" ? LARGE : "little"),
  );
  const idle = await ask(doorway, get("/little"));
  idle.socket.resume();
  await until(() => idle.took().endsWith("little"), { what: "the little answer" });
  const reader = await ask(doorway, get("/large"));
  const closed = doorway.close();
  reader.socket.resume();
  await Promise.all([once(reader.socket, "close"), once(idle.socket, "close"), closed]);
  expect(reader.took().length).toBeGreaterThan(LARGE.length);
});

test("a client that asks one thing after another hears that its connection ends, and is not cut off as it asks", async () => {
  const doorway = await open((_request, response) => response.end("little"));
  const busy = await ask(doorway, get("/"));
  busy.socket.resume();
  await until(() => busy.took().endsWith("little"), { what: "the first answer" });
  const closed = doorway.close();
  busy.socket.write(get("/"));
  await Promise.all([once(busy.socket, "close"), closed]);
  expect(busy.took().match(/^connection: .*$/gim)).toEqual(["Connection: keep-alive", "Connection: close"]);
  expect(busy.took()).toMatch(/little$/);
});

test("who was answered while it closes is not waited for until it asks again", async () => {
  const late = Promise.withResolvers<void>();
  const doorway = await open(async (_request, response) => {
    response.writeHead(200, { "content-length": 4 });
    await late.promise;
    response.end("late");
  });
  const waiting = await ask(doorway, get("/"));
  waiting.socket.resume();
  const closed = doorway.close();
  late.resolve();
  await Promise.all([once(waiting.socket, "close"), closed]);
  expect(waiting.took()).toContain("keep-alive");
  expect(waiting.took()).toMatch(/late$/);
});

test("an answer to somebody who had left is not waited for", async () => {
  const left = Promise.withResolvers<void>();
  const doorway = await open((request, response) => {
    if (request.url !== "/left") return void response.end("little");
    response.once("close", () => {
      response.end("to nobody");
      left.resolve();
    });
  });
  const idle = await ask(doorway, get("/"));
  idle.socket.resume();
  await until(() => idle.took().endsWith("little"), { what: "the answer" });
  (await ask(doorway, get("/left"))).socket.destroy();
  await left.promise;
  await Promise.all([once(idle.socket, "close"), doorway.close()]);
});

test("a reader that takes nothing of an answer is cut", async () => {
  const closed = Promise.withResolvers<boolean>();
  const doorway = await open((_request, response) => {
    response.once("close", () => closed.resolve(response.writableFinished));
    response.end(LARGE);
  }, 200);
  await ask(doorway, get("/"));
  expect(await closed.promise, "it was not taken").toBe(false);
});

test("a slow reader gets all of an answer, however long it takes over it", async () => {
  const doorway = await open((_request, response) => void response.end(LARGE), 1_000);
  const { socket, took } = await ask(doorway, get("/"));
  const since = performance.now();
  // A piece at a time, until it has taken longer than a reader may stand still.
  const pace = setInterval(() => {
    socket.resume();
    socket.once("data", () => performance.now() - since < 1_500 && socket.pause());
  }, 20);
  onTestFinished(() => clearInterval(pace));
  await until(() => took().length > LARGE.length, { what: "all of it", withinMs: 15_000 });
  expect(performance.now() - since, "longer than one may stand still").toBeGreaterThan(1_000);
});

test("the time in which an answer is to be taken does not count for the one behind it", async () => {
  const late = Promise.withResolvers<void>();
  const standsStill = Promise.withResolvers<void>();
  const doorway = await open(async (request, response) => {
    if (request.url === "/large") response.once("close", standsStill.resolve).end(LARGE);
    if (request.url === "/quick") response.end("quick");
    if (request.url !== "/late") return;
    await late.promise;
    response.end("late");
  }, 200);
  const both = await ask(doorway, get("/quick") + get("/late"));
  both.socket.resume();
  await until(() => both.took().endsWith("quick"), { what: "the first answer" });
  // Cut when as much time has gone by as there was for that answer.
  await ask(doorway, get("/large"));
  await standsStill.promise;
  late.resolve();
  await until(() => both.took().endsWith("late"), { what: "the second answer" });
});
