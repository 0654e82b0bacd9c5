/** What is sent: right requests among wrong ones, each wrong in a way of its own. */
import fc from "fast-check";
import { brokenBytes } from "./broken-bytes.ts";
import {
  type BytesCase,
  bytesOf,
  type Delivery,
  type Framing,
  type FuzzCase,
  type Header,
  type RequestCase,
} from "./fuzz-case.ts";
import { type Change, mutated, textOf, treeOf } from "./json-tree.ts";
import type { Operation, Surface } from "./operations.ts";
import { type Sample, sampleOf } from "./samples.ts";
import {
  BYTES,
  HEADER_NAMES,
  HEADER_VALUES,
  METHODS,
  NAMES,
  QUERY_NAMES,
  TEXTS,
  TOKENS,
  URL_PIECES,
} from "./tricky.ts";

/** Some calls have much more to get wrong than others. */
const WEIGHTS: Readonly<Record<string, number>> = {
  submitRun: 12,
  createChatCompletion: 10,
  createResponse: 6,
  submitBatch: 8,
  mcpPOST: 6,
  answerRun: 4,
  forkRun: 3,
  watchRun: 3,
  getRun: 3,
  listRuns: 3,
};

export function casesOf(surface: Surface): fc.Arbitrary<FuzzCase> {
  const requests = fc
    .oneof(
      ...surface.operations.map((operation) => ({
        arbitrary: sampleOf(operation, surface).map((sample) => requestOf(operation, sample)),
        weight: WEIGHTS[operation.id] ?? 1,
      })),
    )
    .chain(anyTwist);
  return fc.oneof<fc.MaybeWeightedArbitrary<FuzzCase>[]>(
    { arbitrary: requests, weight: 30 },
    { arbitrary: brokenBytes, weight: 1 },
  );
}

/** Right ones alone, with which there is something to ask for. */
export function rightCasesOf(surface: Surface): fc.Arbitrary<FuzzCase> {
  return fc.oneof(
    ...surface.operations.map((operation) => ({
      arbitrary: sampleOf(operation, surface).map((sample) => requestOf(operation, sample)),
      weight: WEIGHTS[operation.id] ?? 1,
    })),
  );
}

function requestOf(operation: Operation, { params, query, headers, body }: Sample): RequestCase {
  const path = operation.path.replace(/\{(\w+)\}/g, (_whole, name: string) => escaped(params[name] ?? "x"));
  const search = query.map(([name, value]) => `${escaped(name)}=${escaped(value)}`).join("&");
  const text = body === undefined ? undefined : body.kind === "text" ? body.text : textOf(treeOf(body.value));
  const isJson = body?.kind === "json";
  return {
    shape: "request",
    family: "right",
    operation: operation.id,
    method: operation.method,
    target: `${path}${search === "" ? "" : `?${search}`}`,
    headers: [
      ["host", "@host:0@"],
      ["authorization", "Bearer @key:0@"],
      ...(isJson ? [["content-type", "application/json"] as const] : []),
      ...headers.map(([name, value]) => [name, bytesOf(value)] as const),
    ],
    body: text === undefined ? undefined : bytesOf(text),
    framing: "length",
    delivery: { kind: "whole" },
    mayLast:
      MAY_LAST.has(operation.id) || /[?&](wait|follow|stream)=/.test(search === "" ? "" : `?${search}`),
  };
}

const MAY_LAST: ReadonlySet<string> = new Set([
  "watchRun",
  "createChatCompletion",
  "createResponse",
  "mcpPOST",
]);

/** Ids that are filled in later stay as they are. */
function escaped(text: string): string {
  const pieces = text.split(/(@[a-z]+:\d+@)/);
  return pieces
    .map((piece, place) => (place % 2 === 1 ? piece : encodeURIComponent(piece.toWellFormed())))
    .join("");
}

function anyTwist(request: RequestCase): fc.Arbitrary<RequestCase> {
  const withBody = request.body !== undefined;
  const hasJson = withBody && request.body?.startsWith("{") === true;
  return fc.oneof(
    { arbitrary: fc.constant(request), weight: 6 },
    { arbitrary: hasJson ? fieldTwist(request) : bodyTwist(request), weight: 10 },
    { arbitrary: bodyTwist(request), weight: withBody ? 5 : 2 },
    { arbitrary: addressTwist(request), weight: 6 },
    { arbitrary: headerTwist(request), weight: 5 },
    { arbitrary: methodTwist(request), weight: 1 },
    { arbitrary: keyTwist(request), weight: 1 },
    { arbitrary: framingTwist(request), weight: withBody ? 1 : 0 },
    { arbitrary: deliveryTwist(request), weight: 1 },
  );
}

const written = fc.oneof(
  { arbitrary: fc.constantFrom(...TEXTS).map((text) => JSON.stringify(text)), weight: 3 },
  { arbitrary: fc.constantFrom<string>(...TOKENS), weight: 3 },
  { arbitrary: fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.stringify(value)), weight: 1 },
  { arbitrary: fc.string({ unit: "binary", maxLength: 60 }).map((text) => JSON.stringify(text)), weight: 1 },
  { arbitrary: fc.double().map(String), weight: 1 },
);
const change: fc.Arbitrary<Change> = fc.oneof(
  { arbitrary: fc.record({ kind: fc.constant("replace" as const), by: written }), weight: 6 },
  { arbitrary: fc.constant({ kind: "remove" as const }), weight: 2 },
  { arbitrary: fc.record({ kind: fc.constant("twice" as const), by: written }), weight: 1 },
  {
    arbitrary: fc.record({
      kind: fc.constant("add" as const),
      name: fc.constantFrom(...NAMES),
      value: written,
    }),
    weight: 2,
  },
  {
    arbitrary: fc.record({ kind: fc.constant("wrap" as const), depth: fc.constantFrom(1, 30, 63, 64, 500) }),
    weight: 1,
  },
);

function fieldTwist(request: RequestCase): fc.Arbitrary<RequestCase> {
  // Of a file of lines, the first one.
  const [first = "{}", ...rest] = (request.body ?? "").split("\n");
  const tree = treeOf(jsonOf(Buffer.from(first, "latin1").toString("utf8")));
  return fc
    .array(fc.record({ at: fc.nat(200), change }), { minLength: 1, maxLength: 3 })
    .map((mutations) => ({
      ...request,
      family: "fields",
      body: [bytesOf(textOf(mutated(tree, mutations))), ...rest].join("\n"),
    }));
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A table has no fields of its own to be changed.
    return text;
  }
}

const whole = fc.constantFrom(
  "",
  " ",
  "null",
  "[]",
  '""',
  "0",
  "{",
  "}",
  '{"',
  "[".repeat(100_000),
  '{"a":'.repeat(50_000),
  `${"[".repeat(100_000)}${"]".repeat(100_000)}`,
  `{"input":${"[".repeat(40_000)}`,
  `"${"\\".repeat(99_999)}`,
  `{"input":"${"x".repeat(1_300_000)}"}`,
  `{${Array.from({ length: 20_000 }, (_, place) => `"k${place}":0`).join(",")}}`,
  `[${"0,".repeat(50_000)}0]`,
  "\n".repeat(20_000),
  "a,b\n".repeat(2_000),
  `{"custom_id":"x","body":{}}\n`.repeat(300),
);

function bodyTwist(request: RequestCase): fc.Arbitrary<RequestCase> {
  const body = request.body ?? "{}";
  const at = fc.nat(body.length);
  const headers =
    request.body === undefined
      ? [...request.headers, ["content-type", "application/json"] as const]
      : request.headers;
  return fc
    .oneof(
      { arbitrary: whole, weight: 2 },
      { arbitrary: at.map((end) => body.slice(0, end)), weight: 2 },
      {
        arbitrary: fc
          .tuple(at, fc.constantFrom<string>(...BYTES, ...TEXTS.slice(0, 12).map(bytesOf)))
          .map(([place, bytes]) => body.slice(0, place) + bytes + body.slice(place)),
        weight: 3,
      },
      { arbitrary: fc.constant(Buffer.from(body, "utf16le").toString("latin1")), weight: 1 },
      { arbitrary: fc.constant(body + body), weight: 1 },
    )
    .map((changed) => ({ ...request, family: "body", headers, body: changed }));
}

function addressTwist(request: RequestCase): fc.Arbitrary<RequestCase> {
  const [path = "/", search] = request.target.split("?");
  const segments = path.split("/");
  const value = fc.oneof(
    fc.constantFrom(...TEXTS.slice(0, 48)).map((text) => encodeURIComponent(text.toWellFormed())),
    fc.constantFrom<string>(...URL_PIECES),
    fc.constantFrom<string>(...TOKENS.slice(0, 18)).map(escaped),
    fc.constantFrom("@run:1@", "@batch:1@", "@cursor:1@", "@event:1@"),
  );
  const pair = fc
    .tuple(fc.constantFrom<string>(...QUERY_NAMES), value)
    .map(([name, text]) => `${name}=${text}`);
  const inPath = fc
    .tuple(fc.nat(Math.max(segments.length - 1, 0)), value)
    .map(([place, text]) =>
      segments.map((segment, at) => (at === place && at > 0 ? text : segment)).join("/"),
    );
  const query = fc
    .array(pair, { minLength: 1, maxLength: 6 })
    .map((pairs) => `${path}?${[...(search === undefined ? [] : [search]), ...pairs].join("&")}`);
  const odd = fc.constantFrom(
    `${path}/`,
    `/${path}`,
    `${path}//`,
    `/.${path}`,
    `/x/..${path}`,
    path.toUpperCase(),
    `http://evil.invalid${path}`,
    `//evil.invalid${path}`,
    `${path}?${"a=1&".repeat(2_000)}`,
    `${path}?limit=${"9".repeat(7_000)}`,
    `/${"a/".repeat(3_000)}`,
    `/${"%2e%2e/".repeat(200)}etc/passwd`,
    `${path}?${"%".repeat(100)}`,
    "*",
    "/",
    "/v1",
    "/v1/runs/@run:1@/events/../cancel",
  );
  return (
    fc
      .oneof({ arbitrary: inPath, weight: 3 }, { arbitrary: query, weight: 4 }, { arbitrary: odd, weight: 1 })
      // A space or a line break would end the target.
      .map((target) => ({
        ...request,
        family: "address",
        target: target.replace(/[\s\0]/g, "%20"),
        mayLast: request.mayLast || /[?&](wait|follow|stream)=/.test(target),
      }))
  );
}

function headerTwist(request: RequestCase): fc.Arbitrary<RequestCase> {
  const value = fc.constantFrom<string>(...HEADER_VALUES, "@event:1@", "@etag:1@", "@run:1@");
  const one = fc.tuple(fc.constantFrom<string>(...HEADER_NAMES, "content-type"), value);
  const own = fc.tuple(fc.nat(request.headers.length), value);
  const without = (name: string): readonly Header[] => request.headers.filter(([own]) => own !== name);
  return fc
    .oneof(
      {
        arbitrary: fc.array(one, { minLength: 1, maxLength: 4 }).map((more) => [...request.headers, ...more]),
        weight: 5,
      },
      { arbitrary: one.map(([name, text]) => [...without(name), [name, text] as const]), weight: 5 },
      {
        arbitrary: own.map(([place, text]) =>
          request.headers.map((header, at): Header => (at === place && at > 0 ? [header[0], text] : header)),
        ),
        weight: 2,
      },
      { arbitrary: fc.constantFrom("host", "content-type").map(without), weight: 2 },
      { arbitrary: fc.constant(flood(request.headers, 400, 8)), weight: 1 },
      { arbitrary: fc.constant(flood(request.headers, 40, 900)), weight: 1 },
    )
    .map((headers) => ({ ...request, family: "headers", headers }));
}

function flood(headers: readonly Header[], count: number, chars: number): readonly Header[] {
  return [
    ...headers,
    ...Array.from({ length: count }, (_, place): Header => [`x-${place}`, "y".repeat(chars)]),
  ];
}

function methodTwist(request: RequestCase): fc.Arbitrary<RequestCase> {
  return fc.constantFrom<string>(...METHODS).map((method) => ({ ...request, family: "method", method }));
}

function keyTwist(request: RequestCase): fc.Arbitrary<RequestCase> {
  const others = request.headers.filter(([name]) => name !== "authorization");
  const header = fc.constantFrom<readonly Header[]>(
    [],
    [["authorization", "Bearer @key:1@"]],
    [["authorization", "Bearer @key:1@"]],
    [["x-api-key", "@key:0@"]],
    [["authorization", `Bearer bk_${"a".repeat(62)}`]],
    [["authorization", "Bearer @key:0@x"]],
    [["authorization", "\xff\x00".replace("\0", "")]],
    [
      ["authorization", "Bearer @key:0@"],
      ["authorization", "Bearer @key:1@"],
    ],
  );
  return header.map((headers) => ({ ...request, family: "key", headers: [...others, ...headers] }));
}

function framingTwist(request: RequestCase): fc.Arbitrary<RequestCase> {
  return fc
    .constantFrom<Framing>(
      "chunked",
      "chunked",
      "longer",
      "shorter",
      "both",
      "bad-chunks",
      "bad-length",
      "untold",
    )
    .map((framing) => ({ ...request, family: "framing", framing }));
}

const delivery: fc.Arbitrary<Delivery> = fc.oneof(
  {
    arbitrary: fc.record({
      kind: fc.constant("slow" as const),
      pieces: fc.integer({ min: 2, max: 6 }),
      pauseMs: fc.integer({ min: 1, max: 120 }),
    }),
    weight: 4,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant("aborted" as const),
      part: fc.constantFrom(0, 0.1, 0.5, 0.9, 1),
    }),
    weight: 4,
  },
  {
    arbitrary: fc.record({ kind: fc.constant("stalled" as const), part: fc.constantFrom(0.1, 0.5, 0.95) }),
    weight: 1,
  },
);

function deliveryTwist(request: RequestCase): fc.Arbitrary<RequestCase> {
  return delivery.map((one) => ({ ...request, family: one.kind, delivery: one }));
}

export type { BytesCase };
