import { PassThrough, Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { readIncoming } from "./incoming.ts";

const PACE = { bytesMin: 1_000, everyMs: 200 };

/** A client that sends a chunk, waits for a moment, and sends the next one. */
async function* sending(bytes: number, everyMs: number, count: number) {
  for (let sent = 0; sent < count; sent += 1) {
    await delay(everyMs);
    yield Buffer.alloc(bytes);
  }
}

async function read(body: Readable, dealing: () => Promise<void> = async () => undefined): Promise<number> {
  let bytes = 0;
  for await (const chunk of readIncoming(body, PACE).chunks) {
    bytes += chunk.length;
    await dealing();
  }
  return bytes;
}

test("who sends next to nothing is told so, though a chunk comes again and again", async () => {
  const body = Readable.from(sending(1, 10, 1_000));
  await expect(read(body)).rejects.toMatchObject({ status: 408, code: "too_slow" });
});

test("who sends enough is read to the end, however long it takes", async () => {
  expect(await read(Readable.from(sending(1_000, 20, 30)))).toBe(30_000);
});

test("the time that it takes to deal with what came is not the sender's", async () => {
  const body = new PassThrough();
  for (let sent = 0; sent < 4; sent += 1) body.write("x");
  let dealt = 0;
  const bytes = read(body, async () => {
    dealt += 1;
    await delay(100);
    if (dealt < 4) body.write("y");
    else body.end();
  });
  expect(await bytes).toBeGreaterThanOrEqual(7);
  expect(dealt).toBeGreaterThan(1);
});

test("a client that leaves is told apart from one that is slow", async () => {
  const body = new PassThrough();
  body.write("x");
  const reading = read(body);
  body.destroy();
  await expect(reading).rejects.toMatchObject({ status: 400, code: "bad_request" });
});
