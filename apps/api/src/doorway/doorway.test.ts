/** A doorway with plain handlers behind it: who comes early, who comes by which address, and how it closes. */
import { once } from "node:events";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { expect, onTestFinished, test } from "vitest";
import { until } from "../../../../test/support/until.ts";
import { type Doorway, openDoorway } from "./doorway.ts";
import { openApiDoorway } from "./open-api-doorway.ts";

const hasVersion6 = Object.values(networkInterfaces()).some((found) =>
  found?.some(({ address }) => address === "::1"),
);
const ADDRESSES = ["127.0.0.1", hasVersion6 ? "::1" : "127.0.0.2"];

async function open(host = "127.0.0.1"): Promise<Doorway> {
  const doorway = await openDoorway({ host, port: 0, localAddresses: ADDRESSES });
  onTestFinished(() => doorway[Symbol.asyncDispose]());
  return doorway;
}

const portOf = (doorway: Doorway): number => Number(new URL(doorway.url).port);
const ask = (doorway: Doorway, address = "127.0.0.1") =>
  fetch(`http://${address.includes(":") ? `[${address}]` : address}:${portOf(doorway)}`);

test("whoever comes before there is an answer waits for it, with what was sent", async () => {
  const doorway = await open();
  const early = fetch(doorway.url, { method: "POST", body: "hello" });
  const connections = () =>
    new Promise<number>((done) => doorway.server.getConnections((_, count) => done(count)));
  await until(async () => (await connections()) === 1, { what: "the connection" });
  doorway.open(async (request, response) => {
    const pieces = await request.toArray();
    response.end(`${request.method} ${Buffer.concat(pieces)}`);
  }, 10);
  expect(await (await early).text()).toBe("POST hello");
  expect(await (await ask(doorway)).text()).toBe("GET ");
});

async function expectTurnedAway(answer: Promise<Response>): Promise<void> {
  const { status, headers, ...rest } = await answer.then(async (one) => ({
    status: one.status,
    headers: one.headers,
    body: await one.json(),
  }));
  expect({ status, ...rest }).toMatchObject({ status: 503, body: { error: { code: "shutting_down" } } });
  expect(headers.get("retry-after")).toBe("1");
}

test("whoever waits is told to come again when it closes before it was opened", async () => {
  const doorway = await openDoorway({ host: "127.0.0.1", port: 0 });
  const [first, second] = [fetch(doorway.url), fetch(doorway.url, { method: "POST", body: "x".repeat(1e6) })];
  for (let come = 0; come < 2; come += 1) await once(doorway.server, "request");
  await doorway[Symbol.asyncDispose]();
  await expectTurnedAway(first);
  await expectTurnedAway(second);
});

test("whoever has waited for too long is told to come again, and the next one waits anew", async () => {
  const doorway = await openDoorway({ host: "127.0.0.1", port: 0, waitMsMax: 50 });
  onTestFinished(() => doorway[Symbol.asyncDispose]());
  await expectTurnedAway(fetch(doorway.url));
  await expectTurnedAway(fetch(doorway.url));
  let answered = 0;
  doorway.open((_request, response) => {
    answered += 1;
    response.end("here");
  }, 10);
  expect(await (await ask(doorway)).text()).toBe("here");
  expect(answered, "not those who were told").toBe(1);
});

test("probes are answered at once: it is alive, and not ready", async () => {
  const doorway = await open();
  const alive = await fetch(`${doorway.url}/healthz`);
  expect({ status: alive.status, text: await alive.text() }).toEqual({ status: 200, text: "ok\n" });
  const ready = await fetch(`${doorway.url}/readyz?verbose`);
  expect({ status: ready.status, text: await ready.text() }).toEqual({ status: 503, text: "starting\n" });
});

test("connections that are half-way to a request do not keep it from closing", async () => {
  const doorway = await openDoorway({ host: "127.0.0.1", port: 0 });
  const socket = connect(portOf(doorway), "127.0.0.1");
  socket.on("error", () => undefined);
  const gone = once(socket, "close");
  socket.write("POST / HTTP/1.1\r\nhost: here\r\n");
  await once(doorway.server, "connection");
  await doorway[Symbol.asyncDispose]();
  await gone;
});

test("closing waits for the answer that is under way, and takes nothing new", async () => {
  const doorway = await open();
  const ending = Promise.withResolvers<void>();
  doorway.open(async (_request, response) => {
    response.writeHead(200, { connection: "close" }).write("so ");
    await ending.promise;
    response.end("far");
  }, 10);
  const answer = await ask(doorway);
  let isClosed = false;
  const closed = doorway.close().then(() => {
    isClosed = true;
  });
  await expect(ask(doorway)).rejects.toThrow();
  expect(isClosed).toBe(false);
  ending.resolve();
  expect(await answer.text()).toBe("so far");
  await closed;
});

test("localhost is each of its addresses, and what came by any of them is cut", async () => {
  const doorway = await open("localhost");
  let halves = 0;
  doorway.open((request, response) => {
    if (request.method === "GET") response.end("here");
    else halves += 1;
  }, 10);
  for (const address of ADDRESSES) expect(await (await ask(doorway, address)).text()).toBe("here");
  const cut = ADDRESSES.map((address) => sendHalf(address, portOf(doorway)));
  await until(() => halves === ADDRESSES.length, { what: "half a request at each" });
  const closed = doorway.close();
  doorway.cut();
  await Promise.all([closed, ...cut]);
});

/** Sends half of a request; resolves when its connection is gone. */
function sendHalf(host: string, port: number): Promise<void> {
  const socket = connect(port, host);
  socket.on("error", () => undefined);
  socket.write("POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 10\r\n\r\nhalf");
  return new Promise((gone) => socket.once("close", () => gone()));
}

test("two at one port is an error that says what to do", async () => {
  const doorway = await open();
  await expect(openApiDoorway({ host: "127.0.0.1", port: portOf(doorway) })).rejects.toMatchObject({
    code: "invalid_config",
    message: expect.stringContaining("another process listens there"),
  });
});

test.runIf(hasVersion6)("an address of version 6 can be called as it is told", async () => {
  const doorway = await open("::1");
  doorway.open((_request, response) => response.end("here"), 10);
  expect(doorway.url).toBe(`http://[::1]:${portOf(doorway)}`);
  expect(await (await fetch(doorway.url)).text()).toBe("here");
});
