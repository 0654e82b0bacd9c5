/** What is not HTTP, or two requests that a proxy would take for one. */
import fc from "fast-check";
import type { BytesCase, Delivery } from "./fuzz-case.ts";

const HEAD = "host: @host:0@\r\nauthorization: Bearer @key:0@\r\n";
const SPEC = '{"input":"smuggled","model":"openai/gpt-5.2"}';

const KNOWN = [
  "\r\n\r\n\r\n",
  "\0\0\0\0",
  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "GET\r\n\r\n",
  "GET /healthz\r\n\r\n",
  `GET /healthz HTTP/0.9\r\n${HEAD}\r\n`,
  `GET /healthz HTTP/1.0\r\n\r\n`,
  `GET /v1/runs HTTP/1.0\r\n${HEAD}\r\n`,
  `GET /healthz HTTP/2.0\r\n${HEAD}\r\n`,
  `GET /healthz HTTP/9.9\r\n${HEAD}\r\n`,
  `GET /healthz HTTP/1.1\n${HEAD.replaceAll("\r", "")}\n`,
  `GET /healthz HTTP/1.1\r${HEAD}\r\n`,
  `GET  /healthz HTTP/1.1\r\n${HEAD}\r\n`,
  `GET /a b HTTP/1.1\r\n${HEAD}\r\n`,
  `GET /\x00 HTTP/1.1\r\n${HEAD}\r\n`,
  `GET /\xff\xfe HTTP/1.1\r\n${HEAD}\r\n`,
  ` GET /healthz HTTP/1.1\r\n${HEAD}\r\n`,
  `GET healthz HTTP/1.1\r\n${HEAD}\r\n`,
  `CONNECT evil.invalid:443 HTTP/1.1\r\n${HEAD}\r\n`,
  `OPTIONS * HTTP/1.1\r\n${HEAD}\r\n`,
  `GET /v1/runs HTTP/1.1\r\n${HEAD} folded: yes\r\n\r\n`,
  `GET /v1/runs HTTP/1.1\r\n${HEAD}x y: z\r\n\r\n`,
  `GET /v1/runs HTTP/1.1\r\n${HEAD}: empty\r\n\r\n`,
  `GET /v1/runs HTTP/1.1\r\n${HEAD}x\x00y: z\r\n\r\n`,
  `GET /v1/runs HTTP/1.1\r\n${HEAD}x: a\x00b\r\n\r\n`,
  `GET /v1/runs HTTP/1.1\r\n${HEAD}x: a\rb\r\n\r\n`,
  `GET /v1/runs HTTP/1.1\r\n${HEAD}host: other\r\n\r\n`,
  `GET /v1/runs HTTP/1.1\r\nhost: a b c\r\n\r\n`,
  `GET /v1/runs HTTP/1.1\r\nhost:\r\n\r\n`,
  `GET /v1/runs HTTP/1.1\r\n\r\n`,
  `GET /v1/runs HTTP/1.1\r\n${HEAD}expect: 100-continue\r\nexpect: 200-ok\r\n\r\n`,
  `POST /v1/runs HTTP/1.1\r\n${HEAD}expect: 200-ok\r\ncontent-length: 2\r\n\r\n{}`,
  `POST /v1/runs HTTP/1.1\r\n${HEAD}expect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`,
  `GET /v1/runs HTTP/1.1\r\n${HEAD}connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\n\r\n`,
  `GET /v1/runs HTTP/1.1\r\n${HEAD}connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n`,
  // Two that a proxy in front would not tell apart.
  `POST /v1/runs HTTP/1.1\r\n${HEAD}content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGPOST / HTTP/1.1\r\n\r\n`,
  `POST /v1/runs HTTP/1.1\r\n${HEAD}transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n5c\r\nGPOST / HTTP/1.1\r\n\r\n0\r\n\r\n`,
  `POST /v1/runs HTTP/1.1\r\n${HEAD}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n`,
  `POST /v1/runs HTTP/1.1\r\n${HEAD}transfer-encoding : chunked\r\n\r\n0\r\n\r\n`,
  `POST /v1/runs HTTP/1.1\r\n${HEAD}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
  `POST /v1/runs HTTP/1.1\r\n${HEAD}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  `POST /v1/runs HTTP/1.1\r\n${HEAD}transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n`,
  `POST /v1/runs HTTP/1.1\r\n${HEAD}content-length: 1\r\ncontent-length: 2\r\n\r\n{}`,
  `POST /v1/runs HTTP/1.1\r\n${HEAD}content-length: 99999999999999999999\r\n\r\n{}`,
  `POST /v1/runs HTTP/1.1\r\n${HEAD}content-length: -1\r\n\r\n{}`,
  `POST /v1/runs HTTP/1.1\r\n${HEAD}content-length: 0x2\r\n\r\n{}`,
  `POST /v1/runs HTTP/1.1\r\n${HEAD}transfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n{}`,
  `POST /v1/runs HTTP/1.1\r\n${HEAD}transfer-encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n`,
  `POST /v1/runs HTTP/1.1\r\n${HEAD}transfer-encoding: chunked\r\n\r\n2;${"e".repeat(20_000)}\r\n{}\r\n0\r\n\r\n`,
  `POST /v1/runs HTTP/1.1\r\n${HEAD}transfer-encoding: chunked\r\n\r\n0\r\n${"trailer: x\r\n".repeat(3_000)}\r\n`,
  // Several in one go, the way a client may that does not wait for answers.
  `GET /healthz HTTP/1.1\r\n${HEAD}\r\n`.repeat(20),
  `GET /healthz HTTP/1.1\r\n${HEAD}\r\nGARBAGE\r\n\r\n`,
  `POST /v1/runs HTTP/1.1\r\n${HEAD}content-type: application/json\r\ncontent-length: ${SPEC.length}\r\n\r\n${SPEC}GET /v1/runs HTTP/1.1\r\n${HEAD}\r\n`,
  `GET /${"a".repeat(40_000)} HTTP/1.1\r\n${HEAD}\r\n`,
  `GET /v1/runs HTTP/1.1\r\n${HEAD}${"x: y\r\n".repeat(5_000)}\r\n`,
  `GET /v1/runs HTTP/1.1\r\n${HEAD}x: ${"y".repeat(100_000)}\r\n\r\n`,
  `${"A".repeat(100_000)} / HTTP/1.1\r\n\r\n`,
] as const;

const bytes = fc.oneof(
  { arbitrary: fc.constantFrom<string>(...KNOWN), weight: 6 },
  {
    arbitrary: fc
      .uint8Array({ minLength: 1, maxLength: 400 })
      .map((array) => Buffer.from(array).toString("latin1")),
    weight: 1,
  },
  {
    // One byte of a good request is another one.
    arbitrary: fc.tuple(fc.nat(200), fc.integer({ min: 0, max: 255 })).map(([at, code]) => {
      const good = `POST /v1/runs HTTP/1.1\r\n${HEAD}content-type: application/json\r\ncontent-length: ${SPEC.length}\r\n\r\n${SPEC}`;
      const place = at % good.length;
      return `${good.slice(0, place)}${String.fromCharCode(code)}${good.slice(place + 1)}`;
    }),
    weight: 3,
  },
);

const delivery = fc.oneof<fc.MaybeWeightedArbitrary<Delivery>[]>(
  { arbitrary: fc.constant({ kind: "whole" }), weight: 8 },
  { arbitrary: fc.constant({ kind: "slow", pieces: 4, pauseMs: 20 }), weight: 1 },
  { arbitrary: fc.constant({ kind: "aborted", part: 0.7 }), weight: 1 },
);

export const brokenBytes: fc.Arbitrary<BytesCase> = fc
  .tuple(bytes, delivery)
  .map(([text, how]) => ({ shape: "bytes", family: "bytes", bytes: text, delivery: how }));
