import { BatonError, functionTool } from "@baton/core";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { prepareFunctions } from "./function-tools.ts";
import { callTool, NEVER, selectionOf, testHost, textIn } from "./testing/hosts.ts";

const add = functionTool({
  name: "add",
  description: "Adds.",
  parameters: z.object({ a: z.number(), b: z.number().default(1) }),
  readOnly: true,
  run: ({ a, b }) => ({ sum: a + b }),
});
const functions = (run: () => unknown, timeoutMs?: number) => [
  {
    name: "f",
    description: "",
    parameters: z.object({}),
    run,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  },
];
const f = selectionOf([], ["f"]);

test("a function is listed with the JSON Schema of what a model must write", async () => {
  await using host = testHost({ functions: [add] });
  const { tools } = await host.list(selectionOf([], ["add"]), NEVER);
  expect(tools).toEqual([
    {
      name: "add",
      description: "Adds.",
      inputSchema: {
        type: "object",
        properties: { a: { type: "number" }, b: { type: "number", default: 1 } },
        required: ["a"],
      },
      readOnly: true,
      idempotent: false,
      approval: false,
      origin: { kind: "function" },
    },
  ]);
});

describe("a call", () => {
  test("gets parsed arguments, and its value comes back as JSON", async () => {
    await using host = testHost({ functions: [add] });
    const outcome = await callTool(host, selectionOf([], ["add"]), "add", { a: 2 });
    expect(outcome).toEqual({ isError: false, content: [{ type: "text", text: '{"sum":3}' }] });
  });

  test("with invalid arguments is answered with what is wrong, and does not run", async () => {
    await using host = testHost({ functions: [add] });
    const outcome = await callTool(host, selectionOf([], ["add"]), "add", { a: "two" });
    expect(outcome.isError).toBe(true);
    expect(textIn(outcome)).toMatch(/^Invalid arguments for add: a: /);
  });

  test("is told its run, call and key", async () => {
    const seen: unknown[] = [];
    const tool = functionTool({
      name: "f",
      description: "",
      parameters: z.object({}),
      run: (_args, { signal: _signal, ...context }) => seen.push(context),
    });
    await using host = testHost({ functions: [tool] });
    await callTool(host, f, "f");
    expect(seen).toEqual([{ runId: "r_0_test", callId: "call_1", idempotencyKey: "r_0_test/call_1" }]);
  });

  test.each([
    ["an error", () => Promise.reject(new Error("disk full")), "f failed: disk full"],
    [
      "something else",
      () => {
        throw "no";
      },
      "f failed: no",
    ],
    ["a value without JSON", () => 1n, "f failed: "],
  ])("that throws %s becomes an error outcome", async (_what, run, text) => {
    await using host = testHost({ functions: functions(run) });
    const outcome = await callTool(host, f, "f");
    expect(outcome.isError).toBe(true);
    expect(textIn(outcome)).toContain(text);
  });

  test("that takes too long is no longer waited for, and its signal aborts", async () => {
    const aborted = Promise.withResolvers<void>();
    const tool = functionTool({
      name: "f",
      description: "",
      parameters: z.object({}),
      timeoutMs: 30,
      run: (_args, { signal }) => {
        signal.addEventListener("abort", () => aborted.resolve());
        return new Promise(() => {});
      },
    });
    await using host = testHost({ functions: [tool] });
    expect(textIn(await callTool(host, f, "f"))).toBe(
      "f: outcome unknown: timed out after 30 ms. The call may or may not have taken effect. Check before you call it again.",
    );
    await aborted.promise;
  });

  test("that is aborted throws the signal's reason, whatever the function does later", async () => {
    const late = Promise.withResolvers<never>();
    await using host = testHost({ functions: functions(() => late.promise) });
    const controller = new AbortController();
    const reason = new Error("fenced");
    const call = callTool(host, f, "f", {}, controller.signal);
    controller.abort(reason);
    await expect(call).rejects.toBe(reason);
    late.reject(new Error("late"));
  });

  test("that returns much is cut", async () => {
    await using host = testHost({
      functions: functions(() => "x".repeat(500)),
      limits: { toolResultCharsMax: 200 },
    });
    expect(textIn(await callTool(host, f, "f"))).toMatch(/of 500 characters are left out/);
  });

  test("that returns nothing says so", async () => {
    await using host = testHost({ functions: functions(() => undefined) });
    expect(textIn(await callTool(host, f, "f"))).toBe("(The tool returned nothing.)");
  });
});

describe("a configuration", () => {
  test("with a bad or double name is refused", () => {
    expect(() => prepareFunctions([{ ...add, name: "a b" }])).toThrow(BatonError);
    expect(() => prepareFunctions([add, add])).toThrow("two tools are named add");
  });

  test("may use types that JSON Schema lacks", () => {
    const tool = { ...add, parameters: z.object({ at: z.date() }) };
    expect(prepareFunctions([tool]).get("add")?.inputSchema).toMatchObject({ properties: { at: {} } });
  });
});
