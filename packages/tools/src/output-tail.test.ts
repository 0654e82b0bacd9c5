import { expect, test } from "vitest";
import { createOutputTail } from "./output-tail.ts";

const asIs = (text: string) => text;

test("the last lines come as one line, without colours and control characters", () => {
  const tail = createOutputTail();
  tail.add(Buffer.from("\u001b[31mError:\u001b[0m no\tkey\r\n\n"));
  tail.add(Buffer.from("  at start\u0007 \n"));
  expect(tail.line(asIs)).toBe("Error: no key | at start");
});

test("a character that lies across two chunks is whole", () => {
  const tail = createOutputTail();
  const bytes = Buffer.from("größer");
  for (const byte of bytes) tail.add(Buffer.from([byte]));
  expect(tail.line(asIs)).toBe("größer");
});

test("of much output only the end is kept", () => {
  const tail = createOutputTail();
  for (let index = 0; index < 10_000; index += 1) tail.add(Buffer.from(`line ${index}\n`));
  const line = tail.line(asIs);
  expect(line).toMatch(/^….*line 9998 \| line 9999$/);
  expect(line.length).toBeLessThan(700);
});

test("a secret is taken out whole, wherever the end begins", () => {
  const secret = "abcdefghijklmnopqrstuvwxyz";
  for (let offset = 0; offset < 40; offset += 1) {
    for (const length of [590, 7_990]) {
      const tail = createOutputTail();
      tail.add(Buffer.from(`${secret}${"-".repeat(length + offset)}`));
      expect(tail.line((text) => text.replaceAll(secret, "[redacted]"))).not.toMatch(/xyz/);
    }
  }
});
