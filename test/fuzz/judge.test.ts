import { describe, expect, test } from "vitest";
import type { Exchange } from "./exchange.ts";
import type { RequestCase } from "./fuzz-case.ts";
import { judge } from "./judge.ts";

const REQUEST: RequestCase = {
  ...{
    shape: "request",
    family: "right",
    operation: "getRun",
    method: "GET",
    target: "/v1/runs/x",
    headers: [],
  },
  ...{ body: undefined, framing: "length", delivery: { kind: "whole" }, mayLast: false },
};

function answered(status: number, body: string, type = "application/json; charset=utf-8"): Exchange {
  const headers = new Map([["content-type", type]]);
  const answer = { status, body, headers, isWhole: true };
  return { answers: [answer], outcome: "answered", begun: undefined, ms: 1 };
}

const rulesOf = (exchange: Exchange, one: RequestCase = REQUEST): readonly string[] =>
  judge(one, exchange, ["bk_secret"]).map(({ rule }) => rule);
const refusal = (error: unknown): string => JSON.stringify({ error });

describe("an exchange breaks", () => {
  test.each<[string, Exchange]>([
    ["answers", answered(500, refusal({ code: "internal", message: "something went wrong" }))],
    ["answers", { answers: [], outcome: "left", begun: 502, ms: 1 }],
    ["refusals", answered(400, "Bad Request", "text/plain")],
    ["refusals", answered(417, "", "")],
    ["refusals", answered(404, refusal({ message: "there is no such run" }))],
    ["refusals", answered(404, refusal({ code: "not_found", message: "" }))],
    ["refusals", answered(404, refusal({ code: null, message: "there is no such run" }))],
    ["hangs", { answers: [], outcome: "hung", begun: undefined, ms: 20_000 }],
    ["hangs", { answers: [], outcome: "closed", begun: undefined, ms: 1 }],
    ["wire", { answers: [], outcome: "garbled", begun: undefined, ms: 1, why: "no status line" }],
    ["secrets", answered(200, '{"you": "bk_secret"}')],
  ])("the rule %s", (rule, exchange) => {
    expect(rulesOf(exchange)).toEqual([rule]);
  });
});

describe("an exchange breaks no rule", () => {
  test.each<[string, Exchange, RequestCase]>([
    ["answered with 200", answered(200, "ok"), REQUEST],
    [
      "refused in the API's form",
      answered(404, refusal({ code: "not_found", message: "there is none" })),
      REQUEST,
    ],
    ["refused in JSON-RPC's form", answered(400, refusal({ code: -32700, message: "no JSON" })), REQUEST],
    ["a HEAD that is refused", answered(404, ""), { ...REQUEST, method: "HEAD" }],
    [
      "left by us",
      { answers: [], outcome: "left", begun: undefined, ms: 1_000 },
      { ...REQUEST, mayLast: true },
    ],
  ])("when it is %s", (_name, exchange, one) => {
    expect(rulesOf(exchange, one)).toEqual([]);
  });

  test("when bytes that are no request get no answer", () => {
    const closed: Exchange = { answers: [], outcome: "closed", begun: undefined, ms: 1 };
    expect(
      judge({ shape: "bytes", family: "bytes", bytes: "\0", delivery: { kind: "whole" } }, closed, []),
    ).toEqual([]);
  });
});
