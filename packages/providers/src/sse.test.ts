import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readEvents, type SseEvent, sseCutter } from "./sse.ts";

function cut(...pieces: readonly string[]): SseEvent[] {
  const cutter = sseCutter(1_000);
  return [...pieces.flatMap((piece) => cutter.push(piece)), ...cutter.end("")];
}

describe("events", () => {
  test("have a name and data, of several lines too; comments and other fields are passed over", () => {
    expect(cut("event: a\ndata: 1\ndata:2\nid: 7\n\n: ping\n\ndata: x\n\n")).toEqual([
      { event: "a", data: "1\n2" },
      { event: "message", data: "x" },
    ]);
  });

  test("come out the same however the bytes are cut, with any line ending", () => {
    const stream = fc
      .constantFrom("\n", "\r\n", "\r")
      .map((end) =>
        ["event: a", "data: ü💡", "", ": c", "data: 2", "data: 3", "", "data: last", ""].join(end),
      );
    const cuts = fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 8 });
    fc.assert(
      fc.property(stream, cuts, (text, places) => {
        const at = [
          0,
          ...places.map((place) => Math.min(place, text.length)).sort((a, b) => a - b),
          text.length,
        ];
        const pieces = at.slice(1).map((place, index) => text.slice(at[index], place));
        expect(cut(...pieces)).toEqual([
          { event: "a", data: "ü💡" },
          { event: "message", data: "2\n3" },
          { event: "message", data: "last" },
        ]);
      }),
    );
  });

  test("have a bound", () => {
    const cutter = sseCutter(10);
    expect(() => cutter.push("data: 12345678901")).toThrow(/more than 10 characters/);
    const lines = sseCutter(10);
    expect(() => lines.push("data: 123456\ndata: 123456\n")).toThrow(/more than 10 characters/);
  });
});

test("a character that was cut in two is whole again, and every piece is told", async () => {
  const bytes = new TextEncoder().encode("data: 💡\n\n");
  let pieces = 0;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  const events = await Array.fromAsync(readEvents(body, () => (pieces += 1)));
  expect(events).toEqual([{ event: "message", data: "💡" }]);
  expect(pieces).toBe(bytes.length);
});

test("a reader that has enough reads what is left, and gives up on what does not end", async () => {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode("data: 1\n\ndata: 2\n\n"));
    },
    cancel() {
      cancelled = true;
    },
  });
  for await (const event of readEvents(body, () => undefined)) {
    expect(event.data).toBe("1");
    break;
  }
  expect(cancelled).toBe(true);
});
