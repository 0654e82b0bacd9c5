import { expect, test } from "vitest";
import { type Breach, CommandScanner } from "./command-scanner.ts";

function command(...words: readonly string[]): string {
  const values = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return `*${words.length}\r\n${values.join("")}`;
}

interface Outcome {
  readonly wholeBytes: number;
  readonly breach: Breach | undefined;
}

/** What is found must not depend on the pieces in which the file is read. */
function scan(text: string, pieceBytes = Number.POSITIVE_INFINITY): Outcome {
  const scanner = new CommandScanner();
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const breach = scanner.feed(bytes.subarray(at, at + Math.min(pieceBytes, bytes.length)));
    if (breach !== undefined) return { wholeBytes: scanner.wholeBytes, breach };
  }
  return { wholeBytes: scanner.wholeBytes, breach: undefined };
}

const PARTS = [
  command("SELECT", "0"),
  "#TS:1795273628\r\n",
  command("MULTI") + command("SET", "a", "1\r\n*1\r\n") + command("set", "b", "") + command("EXEC"),
  command("SET", "c", "ünïcode"),
  command("multi") + command("DEL", "a", "b") + command("exec"),
  command("RPUSH", "list", "x".repeat(200)),
];

test("a file that is cut at any byte is whole up to the end of a command outside of a transaction", () => {
  const file = Buffer.from(PARTS.join(""));
  const ends = PARTS.map((_, index) => Buffer.byteLength(PARTS.slice(0, index + 1).join("")));
  for (let cut = 0; cut <= file.length; cut += 1) {
    const scanner = new CommandScanner();
    expect(scanner.feed(file.subarray(0, cut))).toBe(undefined);
    expect(scanner.wholeBytes).toBe([0, ...ends].findLast((end) => end <= cut));
  }
});

test("the pieces that it comes in make no difference", () => {
  const text = PARTS.join("");
  const damaged = text.replace("$4\r\nlist", "$3\r\nlist");
  for (const pieceBytes of [1, 2, 3, 7, 64]) {
    expect(scan(text, pieceBytes)).toEqual({ wholeBytes: Buffer.byteLength(text), breach: undefined });
    expect(scan(damaged, pieceBytes)).toEqual(scan(damaged));
  }
});

const GOOD = command("SET", "a", "1");

test.each([
  ["something else in place of a command", "XX\r\n", 0, "no command begins here"],
  ["something else in place of an argument", "*2\r\n+OK\r\n", 4, "no argument begins here"],
  [
    "a value that is longer than its length",
    "*1\r\n$3\r\nPING\r\n",
    11,
    "a value does not end where it should",
  ],
  [
    "a value that is shorter than its length",
    `*1\r\n$5\r\nPING\r\n${GOOD}`,
    13,
    "a value does not end where it should",
  ],
  ["a number with other signs in it", "*1x\r\n", 2, "a number is expected"],
  ["a number without digits", "*\r\n", 1, "a number is expected"],
  ["a line that does not end", "*1\r$", 3, "a line does not end"],
  ["a command of nothing", "*0\r\n", 2, "a command is empty"],
  ["a value that no server takes", "*1\r\n$999999999\r\n", 13, "a number is too large"],
  ["MULTI in MULTI", command("MULTI").repeat(2), 29, "a transaction begins inside of another"],
  ["EXEC without MULTI", command("EXEC"), 13, "a transaction ends that did not begin"],
])("%s is a breach, at its first byte", (_, text, at, what) => {
  const breach = { at: GOOD.length + at, what };
  expect(scan(GOOD + text + GOOD)).toEqual({ wholeBytes: GOOD.length, breach });
});
