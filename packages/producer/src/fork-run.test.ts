/** Where a conversation can be forked, who goes on with it, and in which phase. */
import { itemSchema, parseRunSpec } from "@baton/core";
import { describe, expect, test } from "vitest";
import { planFork } from "./fork-run.ts";
import { call, claude, gpt, handoff, log, record, reply, result, user, waitingRun } from "./testing/log.ts";

const run = waitingRun();
const spec = parseRunSpec({ input: "?", model: [gpt, claude] });
const pipeline = parseRunSpec({ input: "?", phases: [{ model: gpt }, { model: claude }, { model: gpt }] });

type Options = Parameters<typeof planFork>[3];

const plan = (items: ReturnType<typeof log>, options: Options = {}, of = spec) =>
  planFork(run, of, items, options, 99);
const controlOf = (...args: Parameters<typeof plan>) => {
  const { pool, phase } = plan(...args);
  return [pool, phase];
};

describe("a turn border", () => {
  const items = log(
    user("go"),
    reply([call("a", "a"), call("b", "b")]),
    result("a"),
    result("b"),
    reply([call("a", "c")]),
  );

  test("is where every call has its result; without a place, the last one", () => {
    expect(plan(items).shared).toBe(4);
    expect(plan(items, { at: 0 }).shared).toBe(1);
    expect(plan(items, { at: 3 }).shared).toBe(4);
  });

  test.each([1, 2, 4, 5, -1, 1.5])("is not at %d, and the error lists those that are", (at) => {
    expect(() => plan(items, { at })).toThrow(
      `run ${run.id} cannot be forked at ${at}: there is no such item, or calls are open behind it. It can be at 0, 3`,
    );
  });

  test("is behind a user's word, which closes what was open", () => {
    expect(plan(log(...items, user("never mind"))).shared).toBe(6);
  });

  test("is told by an error that stays short, however long the conversation", () => {
    const long = log(...Array.from({ length: 500 }, () => user("more")));
    expect(() => plan(long, { at: 999 })).toThrow(/at …, 480, .*, 499$/);
  });
});

describe("the fork's items", () => {
  const source = log(user("go"), reply([call("a", "a")]), result("a"));

  test("are the other run's as they were, of no claim of this run, and then the record", () => {
    const fork = plan(source);
    expect(fork.items.slice(0, 3)).toEqual(source.map((item) => ({ ...item, epoch: 0 })));
    expect(fork.items.slice(3)).toEqual([
      {
        ...{ v: 1, seq: 3, phase: 0, epoch: 0, at: 99, role: "control" },
        parts: [{ type: "record", act: "fork", detail: { run: run.id, at: 2, model: gpt } }],
      },
    ]);
    expect(fork.shared).toBe(3);
    for (const item of fork.items) expect(itemSchema.parse(item)).toEqual(item);
  });

  test("end with what is said to the model", () => {
    const { items } = plan(source, { input: "shorter" });
    expect(items.at(-1)).toMatchObject({ seq: 4, role: "user", parts: [{ type: "text", text: "shorter" }] });
  });

  test("leave the other run's conversation alone", () => {
    const before = JSON.stringify(source);
    plan(source, { input: "x", model: claude });
    expect(JSON.stringify(source)).toBe(before);
  });
});

describe("control", () => {
  const handed = log(
    user("go"),
    reply(["over"]),
    handoff(claude),
    reply([call("a", "a")], 1, claude),
    result("a", 1),
  );

  test("is with the first model before anybody spoke, else with the one that held it there", () => {
    expect(controlOf(handed, { at: 0 })).toEqual([gpt, 0]);
    expect(controlOf(handed, { at: 2 })).toEqual([claude, 1]);
    expect(controlOf(handed)).toEqual([claude, 1]);
  });

  test("with another model is a phase of its own, with the same one it is not", () => {
    expect(controlOf(handed, { model: gpt })).toEqual([gpt, 2]);
    expect(controlOf(handed, { model: claude })).toEqual([claude, 1]);
    expect(controlOf(handed, { at: 0, model: claude })).toEqual([claude, 1]);
  });

  test("passed on by a brief alone is where the brief says", () => {
    const brief = log(user("go"), reply(["over"]), handoff(claude, { context: "brief", brief: "write" }));
    expect(controlOf(brief)).toEqual([claude, 1]);
    expect(plan(brief).items[2]).toMatchObject({ parts: [{ context: "brief", brief: "write" }] });
  });

  test("is with the model that a retry named, though it has not spoken yet", () => {
    const items = log(user("go"), record("retry", { status: "failed", model: claude }));
    expect(controlOf(items)).toEqual([claude, 1]);
    expect(controlOf(log(user("go"), record("retry", { status: "failed" })))).toEqual([gpt, 0]);
  });

  test("in the fork of a fork is with the model that the first fork named", () => {
    const first = plan(log(user("go"), reply(["done"])), { model: claude });
    expect(controlOf([...first.items])).toEqual([claude, 1]);
  });
});

describe("a finished answer", () => {
  const done = log(user("go"), reply(["done"]));

  test("cannot be forked as it is: nothing would be left to do", () => {
    expect(() => plan(done)).toThrow(
      `item 1 of run ${run.id} is a finished answer: give an input or another model, or fork at an earlier item (0, 1)`,
    );
    expect(() => plan(done, { model: gpt })).toThrow("finished answer");
  });

  test("can with a word of the user, with another model, or before it", () => {
    expect(plan(done, { input: "more" }).shared).toBe(2);
    expect(plan(done, { model: claude }).pool).toBe(claude);
    expect(plan(done, { at: 0 }).shared).toBe(1);
  });

  test("is one in the last step of a pipeline alone", () => {
    const next = { by: "pipeline" } as const;
    const first = log(user("go"), reply(["a"]));
    expect(controlOf(first, {}, pipeline)).toEqual([gpt, 0]);
    const second = log(...first, handoff(claude, next), reply(["b"], 1, claude));
    expect(controlOf(second, {}, pipeline)).toEqual([claude, 1]);
    const third = log(...second, handoff(gpt, { ...next, from: claude }, 1), reply(["c"], 2));
    expect(() => plan(third, {}, pipeline)).toThrow("finished answer");
    expect(controlOf(third, { at: 4 }, pipeline)).toEqual([gpt, 2]);
  });

  test.each(["refusal", "content_filter", "context_exceeded", "pause_turn"] as const)(
    "is none when the reply ended in %s, nor when it has no text: the model is asked again",
    (stopReason) => {
      expect(controlOf(log(user("go"), { ...reply(["no"]), stopReason }))).toEqual([gpt, 0]);
      expect(controlOf(log(user("go"), reply([])))).toEqual([gpt, 0]);
    },
  );

  test("is not what an assistant said before the run", () => {
    const submitted = log(user("hi"), { ...reply(["hello"]), origin: undefined }, user("go"));
    expect(controlOf(submitted)).toEqual([gpt, 0]);
  });
});
