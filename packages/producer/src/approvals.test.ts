/** A person's word on calls: which are asked for, and what an answer writes. */
import { describe, expect, test } from "vitest";
import { approvalItems, askedCalls, rejectionItems } from "./approvals.ts";
import { call, type Draft, log, record, reply, result, user, waitingRun } from "./testing/log.ts";

const asks = (...calls: readonly string[]) => record("ask", { calls });
const both = [reply([call("send", "s"), call("pay", "p"), call("look", "l")]), result("l"), asks("s", "p")];
const idsOf = (...drafts: readonly Draft[]) => askedCalls(log(...drafts)).map(({ callId }) => callId);

describe("the calls that are asked for", () => {
  test("are those of the record, as long as they have no result", () => {
    expect(idsOf(...both)).toEqual(["s", "p"]);
    expect(idsOf(...both, result("s"))).toEqual(["p"]);
    expect(askedCalls(log(...both))[0]).toEqual(call("send", "s"));
  });

  test("are fewer by those that were approved, and asked for once when they are asked for again", () => {
    expect(idsOf(...both, record("approve", { calls: ["s"] }))).toEqual(["p"]);
    expect(idsOf(...both, record("approve", { calls: ["s"] }), result("s"), asks("p"))).toEqual(["p"]);
    expect(idsOf(...both, asks("s", "p"))).toEqual(["s", "p"]);
  });

  test("are none without a record, nor once the user has spoken", () => {
    expect(idsOf(reply([call("send", "s")]))).toEqual([]);
    expect(idsOf(...both, user("leave it"))).toEqual([]);
    expect(idsOf()).toEqual([]);
  });

  test("are calls that are there: an id that no call has is nothing", () => {
    expect(idsOf(reply([call("send", "s")]), asks("x", "s"))).toEqual(["s"]);
    expect(idsOf(reply([call("send", "s")]), record("ask", { calls: "s" }))).toEqual([]);
  });
});

describe("an approval", () => {
  const run = waitingRun();

  test("names the calls, all that are asked for where it does not say which", () => {
    expect(approvalItems(run, log(...both), {})).toEqual([
      { role: "control", parts: [{ type: "record", act: "approve", detail: { calls: ["s", "p"] } }] },
    ]);
    expect(approvalItems(run, log(...both), { calls: ["p"] })).toMatchObject([
      { parts: [{ detail: { calls: ["p"] } }] },
    ]);
  });

  test("of what is not asked for is refused, and says what is", () => {
    expect(() => approvalItems(run, log(...both), { calls: ["s", "l"] })).toThrow(
      `run ${run.id} asks for a word on no call l; it asks for s (send), p (pay)`,
    );
    expect(() => approvalItems(run, log(reply(["hi"])), {})).toThrow(
      `run ${run.id} asks for a word on no call`,
    );
    expect(() => approvalItems(run, log(...both, result("s"), result("p")), {})).toThrow("no call");
  });

  test("of no call at all is refused: it would let the run go round for nothing", () => {
    expect(() => approvalItems(run, log(...both), { calls: [] })).toThrow("no call");
  });
});

describe("a rejection", () => {
  const run = waitingRun();

  test("answers the calls, so that the model can go on, and is recorded with its reason", () => {
    const items = rejectionItems(run, log(...both), { calls: ["p"], reason: "too dear" });
    expect(items).toEqual([
      {
        role: "control",
        parts: [{ type: "record", act: "reject", detail: { calls: ["p"], reason: "too dear" } }],
      },
      {
        role: "tool",
        parts: [
          {
            type: "tool_result",
            callId: "p",
            name: "pay",
            isError: true,
            content: [
              { type: "text", text: "A person rejected this call; it was not made. Reason: too dear" },
            ],
          },
        ],
      },
    ]);
  });

  test("without a reason or a choice answers all that are asked for", () => {
    const items = rejectionItems(run, log(...both), {});
    expect(items.map(({ role, parts }) => [role, parts.length])).toEqual([
      ["control", 1],
      ["tool", 1],
      ["tool", 1],
    ]);
    expect(items[0]?.parts[0]).toEqual({ type: "record", act: "reject", detail: { calls: ["s", "p"] } });
    expect(JSON.stringify(items[1])).not.toContain("Reason");
  });
});
