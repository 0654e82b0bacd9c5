/** Bytes into lines: however they are cut, and whatever is in them. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LineSplitter } from "./line-splitter.ts";

function split(content: Uint8Array, { pieceBytes = 3, max = 100 } = {}) {
  const splitter = new LineSplitter(max);
  const lines = [];
  for (let from = 0; from < content.length; from += pieceBytes) {
    lines.push(...splitter.push(content.subarray(from, from + pieceBytes)));
  }
  return [...lines, ...splitter.end()];
}

const texts = (content: string | Uint8Array, options = {}) =>
  split(Buffer.from(content), options).map((line) => (line.kind === "text" ? line.text : line.reason));

describe("lines", () => {
  test("are the same however the bytes are cut", () => {
    const line = fc.string({ unit: "grapheme", maxLength: 20 }).filter((text) => !/[\r\n\ufeff]/.test(text));
    fc.assert(
      fc.property(fc.array(line), fc.integer({ min: 1, max: 9 }), (lines, pieceBytes) => {
        const content = Buffer.from(lines.map((text) => `${text}\n`).join(""));
        expect(texts(content, { pieceBytes, max: 1_000 })).toEqual(lines);
      }),
    );
  });

  test("end with LF or CRLF, and the last one needs none", () => {
    expect(texts("a\r\nb\nc")).toEqual(["a", "b", "c"]);
    expect(texts("a\n\nb\n")).toEqual(["a", "", "b"]);
    expect(texts("")).toEqual([]);
  });

  test("are counted from 1, empty and bad ones too", () => {
    const lines = split(Buffer.from(`\n${"x".repeat(200)}\nb`));
    expect(lines.map(({ line, kind }) => [line, kind])).toEqual([
      [1, "text"],
      [2, "bad"],
      [3, "text"],
    ]);
  });

  test("lose the byte order mark of the file and no other", () => {
    expect(texts("\ufeffa\n\ufeffb\n")).toEqual(["a", "\ufeffb"]);
  });
});

describe("a line past its bound", () => {
  test("is told, and the next one is read", () => {
    expect(texts(`${"x".repeat(10)}\n${"y".repeat(11)}\nz`, { max: 10 })).toEqual([
      "x".repeat(10),
      "the line is longer than 10 bytes",
      "z",
    ]);
  });

  test("is not longer by its CR", () => {
    expect(texts(`${"x".repeat(10)}\r\n${"y".repeat(11)}\r\n`, { max: 10 })).toEqual([
      "x".repeat(10),
      "the line is longer than 10 bytes",
    ]);
  });

  test("is not held in memory", () => {
    const splitter = new LineSplitter(1_000);
    const piece = Buffer.alloc(1_000_000, "x");
    const before = process.memoryUsage().arrayBuffers;
    for (let times = 0; times < 300; times += 1) expect([...splitter.push(Buffer.from(piece))]).toEqual([]);
    // Three hundred megabytes passed; what is not collected yet is a part of them.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(150_000_000);
    expect([...splitter.end()]).toMatchObject([{ kind: "bad" }]);
  });
});

describe("what is not UTF-8", () => {
  test("is told for its line alone", () => {
    const content = Buffer.concat([Buffer.from("a\n"), Buffer.from([0x62, 0xff]), Buffer.from("\nc")]);
    expect(texts(content)).toEqual(["a", "the line is not valid UTF-8", "c"]);
  });

  test("is told apart when it looks like UTF-16", () => {
    const content = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from("a\n", "utf16le")]);
    expect(texts(content)[0]).toContain("UTF-16");
  });
});
