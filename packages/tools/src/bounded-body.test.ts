import { expect, test } from "vitest";
import { boundBodies } from "./bounded-body.ts";

function answering(type: string, chunks: readonly string[]) {
  const body = ReadableStream.from(chunks.map((chunk) => Buffer.from(chunk)));
  return boundBodies(async () => new Response(body, { headers: { "content-type": type } }), 20);
}

test("an answer within the bound comes whole", async () => {
  const response = await answering("application/json", ["x".repeat(10), "y".repeat(10)])("http://a.test");
  expect(await response.text()).toBe("x".repeat(10) + "y".repeat(10));
});

test("an answer over the bound fails", async () => {
  const response = await answering("application/json", ["x".repeat(10), "y".repeat(11)])("http://a.test");
  await expect(response.text()).rejects.toThrow("a message of more than 20 bytes");
});

test("a stream of events may be as long as it likes while each event is within the bound", async () => {
  const events = Array.from({ length: 50 }, (_, index) => `data: ${index}-----\n\n`);
  const cutAnywhere = events.join("").match(/.{1,7}/gs) ?? [];
  const response = await answering("text/event-stream; charset=utf-8", cutAnywhere)("http://a.test");
  expect(await response.text()).toBe(events.join(""));
});

test("an event over the bound fails", async () => {
  const response = await answering("text/event-stream", ["data: 1\n\n", "data: ", "x".repeat(15)])(
    "http://a.test",
  );
  await expect(response.text()).rejects.toThrow("a message of more than 20 bytes");
});

test("an answer without a body passes", async () => {
  const fetch = boundBodies(async () => new Response(null, { status: 202 }), 20);
  expect((await fetch("http://a.test")).status).toBe(202);
});
