import { expect, test } from "vitest";
import { type Answer, AnswerReader } from "./answer-reader.ts";

function read(text: string, options: { readonly isHead?: boolean; readonly bytesAtOnce?: number } = {}) {
  const { isHead = false, bytesAtOnce = text.length } = options;
  const reader = new AnswerReader(isHead);
  for (let at = 0; at < text.length; at += bytesAtOnce) {
    reader.feed(Buffer.from(text.slice(at, at + bytesAtOnce), "latin1"));
  }
  return reader;
}

const told = ({ status, body, isWhole }: Answer) => ({ status, body, isWhole });

test.each([1, 3, 1_000])("answers are told apart however they come in, %i bytes at a time", (bytesAtOnce) => {
  const { answers } = read(
    [
      "HTTP/1.1 100 Continue\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nab\r\n\r\n1\r\nc\r\n0\r\n\r\n",
      "HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n",
      "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
    ].join(""),
    { bytesAtOnce },
  );
  expect(answers.map(told)).toEqual([
    { status: 200, body: "ok\n", isWhole: true },
    { status: 200, body: "ab\r\nc", isWhole: true },
    { status: 304, body: "", isWhole: true },
    { status: 404, body: "", isWhole: true },
  ]);
});

test("the answer to a HEAD has no body, whatever its length says", () => {
  const { answers } = read("HTTP/1.1 200 OK\r\ncontent-length: 300\r\n\r\n", { isHead: true });
  expect(answers.map(told)).toEqual([{ status: 200, body: "", isWhole: true }]);
});

test("an answer that breaks off is not whole, and one without a length ends with its connection", () => {
  const cut = read("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab");
  expect(cut.begun).toBe(200);
  cut.end();
  expect(cut.answers.map(told)).toEqual([{ status: 200, body: "ab", isWhole: false }]);
  const rest = read("HTTP/1.1 200 OK\r\n\r\nab");
  rest.end();
  expect(rest.answers.map(told)).toEqual([{ status: 200, body: "ab", isWhole: true }]);
});

test.each([
  ["what is behind a body and no answer", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nabc\r\n\r\n"],
  ["a chunk without a length", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n"],
  ["a header without a name", "HTTP/1.1 200 OK\r\n: x\r\n\r\n"],
])("%s is a fault", (_name, text) => {
  expect(() => read(text)).toThrow();
});
