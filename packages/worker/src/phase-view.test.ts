import { callsIn, parseRunSpec } from "@baton/core";
import { describe, expect, test } from "vitest";
import {
  attemptsOfRetry,
  handoffsOf,
  openTurn,
  pipelineStep,
  repliesOf,
  sinceFork,
  sinceRetry,
  turnsIn,
  visibleItems,
} from "./phase-view.ts";
import {
  call,
  claude,
  gpt,
  handoff,
  log,
  record,
  reply,
  result,
  retried,
  started,
  user,
} from "./testing/log.ts";

describe("the open turn", () => {
  test("is the last reply of the phase, with what became of its calls", () => {
    const items = log(
      reply([call("old")]),
      result("old"),
      reply(["let me see", call("a"), call("b"), call("c")]),
      started("a"),
      started("b"),
      result("a"),
    );
    const turn = openTurn(items, 0);
    expect(turn?.reply).toBe(items[2]);
    expect(turn?.calls.map((one) => one.callId)).toEqual(["a", "b", "c"]);
    expect([...(turn?.answered ?? [])]).toEqual(["a"]);
    expect([...(turn?.started ?? [])]).toEqual(["a", "b"]);
    expect(turn?.retried).toBe(false);
  });

  test("is none before the model has spoken in this phase", () => {
    expect(openTurn(log(user("go")), 0)).toBeUndefined();
    expect(openTurn(log(reply(["done"]), handoff(claude)), 1)).toBeUndefined();
    expect(openTurn([], 0)).toBeUndefined();
  });

  test("is closed by the user's word, not by a retry alone", () => {
    const items = [reply([call("a")]), retried()];
    expect(openTurn(log(...items), 0)?.retried).toBe(true);
    expect(openTurn(log(...items, user("but how?")), 0)).toBeUndefined();
  });

  test("knows the calls that a person approved since, all of them", () => {
    const items = log(
      record("approve", { calls: ["c"] }),
      reply([call("a"), call("b"), call("c")]),
      record("ask", { calls: ["a", "b", "c"] }),
      record("approve", { calls: ["a"] }),
      record("reject", { calls: ["c"] }),
      record("approve", { calls: ["b"] }),
    );
    expect([...(openTurn(items, 0)?.approved ?? [])]).toEqual(["a", "b"]);
  });

  test("of a fork counts as retried: what failed elsewhere is asked anew", () => {
    expect(openTurn(log(reply(["no"]), record("fork")), 0)?.retried).toBe(true);
    expect(openTurn(log(record("fork"), reply(["no"])), 0)?.retried).toBe(false);
  });

  test("is not what an assistant said before the run", () => {
    expect(openTurn(log({ ...reply([call("a")]), origin: undefined }), 0)).toBeUndefined();
  });
});

describe("what the model sees", () => {
  const first = [user("go"), reply(["notes", call("t")]), result("t")];

  test("is all of it after a handoff of the full conversation", () => {
    const items = log(...first, handoff(claude), reply(["more"], { phase: 1 }));
    expect(visibleItems(items)).toBe(items);
  });

  test("begins with the handoff that passed on its brief alone, the last of them", () => {
    const brief = { context: "brief" } as const;
    const items = log(
      ...first,
      handoff(claude, brief),
      reply(["x"], { phase: 1 }),
      handoff(gpt, brief, 1),
      user("y", 2),
    );
    expect(visibleItems(items).map((item) => item.seq)).toEqual([5, 6]);
  });
});

describe("the step of a pipeline", () => {
  const spec = parseRunSpec({ input: "?", phases: [{ model: gpt }, { model: claude }, { model: gpt }] });
  const next = handoff(claude, { by: "pipeline" });

  test("is told by the handoffs of the pipeline so far", () => {
    expect(pipelineStep(spec, log(user("go")))).toEqual({ now: { model: gpt }, next: { model: claude } });
    expect(pipelineStep(spec, log(next))).toEqual({ now: { model: claude }, next: { model: gpt } });
    expect(pipelineStep(spec, log(next, next))).toEqual({ now: { model: gpt }, next: undefined });
  });

  test("does not move with a handoff of another kind", () => {
    expect(pipelineStep(spec, log(handoff(claude, { by: "fallback" })))?.next).toEqual({ model: claude });
  });

  test("is none without a pipeline, or past its end", () => {
    expect(pipelineStep(parseRunSpec({ input: "?", model: gpt }), [])).toBeUndefined();
    expect(pipelineStep(spec, log(next, next, next))).toBeUndefined();
  });
});

test("turns are replies of models, by phase, and since the last retry", () => {
  const submitted = { ...reply(["before"]), origin: undefined };
  const items = log(
    submitted,
    reply(["a"]),
    retried(),
    reply(["b"]),
    handoff(claude),
    reply(["c"], { phase: 1 }),
  );
  expect(repliesOf(items).map((item) => item.seq)).toEqual([1, 3, 5]);
  expect([turnsIn(items, 0), turnsIn(items, 1), turnsIn(items, 2)]).toEqual([2, 1, 0]);
  expect(repliesOf(sinceRetry(items) ?? []).map((item) => item.seq)).toEqual([3, 5]);
  expect(sinceRetry(items.slice(0, 2))).toBeUndefined();
});

test("handoffs come in order", () => {
  const items = log(
    reply(["a"]),
    handoff(claude),
    reply(["b"], { phase: 1, model: claude }),
    handoff(gpt, {}, 1),
  );
  expect(handoffsOf(items).map((part) => part.to)).toEqual([claude, gpt]);
});

describe("a boundary", () => {
  test("is the last fork for what the run wrote itself", () => {
    const items = log(user("go"), record("fork"), reply(["a"]), record("fork"), retried(), reply(["b"]));
    expect(sinceFork(items).map((item) => item.seq)).toEqual([3, 4, 5]);
    const plain = log(user("go"), retried());
    expect(sinceFork(plain)).toBe(plain);
  });

  test("is the last retry or fork for what is counted anew", () => {
    expect(sinceRetry(log(retried(), record("fork"), user("?")))?.map((item) => item.seq)).toEqual([1, 2]);
    expect(sinceRetry(log(record("fork"), retried(), user("?")))?.map((item) => item.seq)).toEqual([1, 2]);
    expect(sinceRetry(log(record("resume"), record("approve")))).toBeUndefined();
  });
});

test("attempts are those of the last retry, which may name none", () => {
  const two = record("retry", { attempts: 2 });
  expect(attemptsOfRetry(log(user("go")))).toBeUndefined();
  expect(attemptsOfRetry(log(record("retry", { attempts: 5 }), reply(["a"]), two, record("approve")))).toBe(
    2,
  );
  expect(attemptsOfRetry(log(two, retried()))).toBeUndefined();
});

test("a record names calls by their ids alone", () => {
  const part = { type: "record", act: "ask" } as const;
  expect(callsIn({ ...part, detail: { calls: ["a", 1, null, "b"] } })).toEqual(["a", "b"]);
  expect(callsIn({ ...part, detail: {} })).toEqual([]);
  expect(callsIn({ ...part, detail: { calls: "a" } })).toEqual([]);
});
