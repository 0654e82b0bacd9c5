/**
 * One thing to send, told whole by its values, so that a seed and a number give it again. Ids that only the API can give
 * stand in it as `@run:3@`, and are filled in when it is sent. Each character of a text here is a byte.
 */
export type Header = readonly [name: string, value: string];

/** How the end of a body is told; all but the first two are wrong or at odds with themselves. */
export type Framing =
  | "length"
  | "chunked"
  | "longer"
  | "shorter"
  | "both"
  | "bad-chunks"
  | "bad-length"
  | "untold";

export type Delivery =
  | { readonly kind: "whole" }
  /** In pieces, with a pause before each but the first. */
  | { readonly kind: "slow"; readonly pieces: number; readonly pauseMs: number }
  /** The first part, and then nothing. */
  | { readonly kind: "stalled"; readonly part: number }
  /** The first part, and then the connection is reset. */
  | { readonly kind: "aborted"; readonly part: number };

export type FuzzCase = RequestCase | BytesCase;

export interface RequestCase {
  readonly shape: "request";
  /** What is wrong with it, in a word; `right`: nothing that is known. */
  readonly family: string;
  readonly operation: string;
  readonly method: string;
  readonly target: string;
  readonly headers: readonly Header[];
  readonly body: string | undefined;
  readonly framing: Framing;
  readonly delivery: Delivery;
  /** It may be answered late by right: it waits for a run, or follows one. */
  readonly mayLast: boolean;
}

/** What is no request, or several. */
export interface BytesCase {
  readonly shape: "bytes";
  readonly family: string;
  readonly bytes: string;
  readonly delivery: Delivery;
}

/** As it goes over the wire; `fill` puts in what the API has told so far. */
export function wireOf(one: FuzzCase, fill: (text: string) => string): Buffer {
  if (one.shape === "bytes") return Buffer.from(fill(one.bytes), "latin1");
  const body = one.body === undefined ? undefined : fill(one.body);
  const head = [
    `${one.method} ${fill(one.target)} HTTP/1.1`,
    ...[...one.headers, ...framingHeaders(one.framing, body)].map(
      ([name, value]) => `${name}: ${fill(value)}`,
    ),
  ].join("\r\n");
  return Buffer.from(`${head}\r\n\r\n${body === undefined ? "" : framed(one.framing, body)}`, "latin1");
}

/** Whether the server knows where the request ends, and answers another one on the same connection. */
export function keepsConnection(one: FuzzCase): boolean {
  if (one.shape === "bytes" || one.delivery.kind === "stalled" || one.delivery.kind === "aborted")
    return false;
  return one.framing === "length" || one.framing === "chunked";
}

function framingHeaders(framing: Framing, body: string | undefined): readonly Header[] {
  if (body === undefined) return [];
  const length = (bytes: number): Header => ["content-length", String(bytes)];
  const chunked: Header = ["transfer-encoding", "chunked"];
  switch (framing) {
    case "length":
      return [length(body.length)];
    case "chunked":
    case "bad-chunks":
      return [chunked];
    case "longer":
      return [length(body.length + 7)];
    case "shorter":
      return [length(Math.floor(body.length / 2))];
    case "both":
      return [length(body.length), chunked];
    case "bad-length":
      return [["content-length", "+0x1f, 12"]];
    case "untold":
      return [];
  }
}

const CHUNK_BYTES = 1_000;

function framed(framing: Framing, body: string): string {
  switch (framing) {
    case "chunked":
      return `${chunksOf(body)}0\r\n\r\n`;
    case "bad-chunks":
      return `${chunksOf(body)}-5\r\nxxxxx\r\nzz;ext="\r\n0\r\n\r\n`;
    case "both":
      return "0\r\n\r\nGET /healthz HTTP/1.1\r\nhost: smuggled\r\n\r\n";
    default:
      return body;
  }
}

function chunksOf(body: string): string {
  let text = "";
  for (let at = 0; at < body.length; at += CHUNK_BYTES) {
    const chunk = body.slice(at, at + CHUNK_BYTES);
    text += `${chunk.length.toString(16)}\r\n${chunk}\r\n`;
  }
  return text;
}

/** UTF-8 as characters that are bytes. */
export function bytesOf(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}
