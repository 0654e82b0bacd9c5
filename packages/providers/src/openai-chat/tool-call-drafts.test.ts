import { expect, test } from "vitest";
import { type CallDelta, callDrafts } from "./tool-call-drafts.ts";

function put(...deltas: readonly CallDelta[]): unknown {
  const drafts = callDrafts((ordinal) => `spare_${ordinal}`);
  for (const delta of deltas) drafts.add(delta);
  return drafts
    .parts()
    .map(({ callId, name, arguments: args }) => [
      callId,
      name,
      args.kind === "object" ? args.value : args.raw,
    ]);
}
const fn = (name?: string, args?: unknown) => ({ ...(name === undefined ? {} : { name }), arguments: args });

test("numbered calls come in pieces, also interleaved", () => {
  expect(
    put(
      { index: 0, id: "a", function: fn("look", "") },
      { index: 1, id: "b", function: fn("read", '{"p"') },
      { index: 0, function: fn(undefined, '{"q":1}') },
      { index: 1, function: fn(undefined, ":2}") },
    ),
  ).toEqual([
    ["a", "look", { q: 1 }],
    ["b", "read", { p: 2 }],
  ]);
});

test("calls without number and id are told apart by their names", () => {
  expect(
    put({ function: fn("look", "{") }, { function: fn(undefined, "}") }, { function: fn("look", '{"p":1}') }),
  ).toEqual([
    ["spare_0", "look", {}],
    ["spare_1", "look", { p: 1 }],
  ]);
});

test("whole calls that all have the number 0 are told apart by their ids", () => {
  expect(
    put({ index: 0, id: "a", function: fn("look", "{}") }, { index: 0, id: "b", function: fn("look", "{}") }),
  ).toEqual([
    ["a", "look", {}],
    ["b", "look", {}],
  ]);
});

test("an id without number goes on with its call, and a repeated name is one name", () => {
  expect(
    put(
      { id: "a", function: fn("look", '{"p"') },
      { id: "b", function: fn("look", "{}") },
      { id: "a", function: fn("look", ":1}") },
    ),
  ).toEqual([
    ["a", "look", { p: 1 }],
    ["b", "look", {}],
  ]);
});

test("arguments may be an object, encoded twice, or no JSON at all", () => {
  expect(
    put(
      { index: 0, id: "a", function: fn("look", { p: 1 }) },
      { index: 1, id: "b", function: fn("look", '"{\\"p\\":1}"') },
      { index: 2, id: "c", function: fn("look", '{"p": ') },
    ),
  ).toEqual([
    ["a", "look", { p: 1 }],
    ["b", "look", { p: 1 }],
    ["c", "look", '{"p": '],
  ]);
});

test("two calls of one reply never share an id", () => {
  expect(
    put({ index: 0, id: "a", function: fn("x", "{}") }, { index: 1, id: "a", function: fn("y", "{}") }),
  ).toEqual([
    ["a", "x", {}],
    ["spare_1", "y", {}],
  ]);
});

test("a call is announced once, when its name is known", () => {
  const drafts = callDrafts((ordinal) => `spare_${ordinal}`);
  expect(drafts.add({ index: 0, id: "a" })).toBeUndefined();
  expect(drafts.add({ index: 0, function: fn("look", "") })).toEqual({ callId: "a", name: "look" });
  expect(drafts.add({ index: 0, function: fn("look", "{}") })).toBeUndefined();
});
