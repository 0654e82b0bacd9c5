import { describe, expect, test } from "vitest";
import { readToolList, type ToolPage } from "./listed-tools.ts";

const schema = { type: "object" };
const read = (...tools: readonly unknown[]) => readToolList(async () => ({ tools: [...tools] }));

describe("a tool", () => {
  test("is read with what is needed of it", async () => {
    const { tools } = await read({
      name: "t",
      title: "T",
      inputSchema: { ...schema, required: ["a"], $defs: {} },
      annotations: { readOnlyHint: true, destructiveHint: true, idempotentHint: "yes" },
    });
    expect(tools).toEqual([
      {
        name: "t",
        description: "T",
        inputSchema: { type: "object", required: ["a"], $defs: {}, properties: {} },
        readOnly: true,
        idempotent: false,
        approval: false,
      },
    ]);
  });

  test("that is unusable is left out with a reason, and the others stay", async () => {
    const { tools, problems } = await read(
      { name: "array", inputSchema: { type: "array" } },
      { inputSchema: schema },
      { name: "task", inputSchema: schema, execution: { taskSupport: "required" } },
      { name: "huge", inputSchema: { ...schema, x: "x".repeat(100_001) } },
      { name: "good", inputSchema: schema },
      { name: "good", inputSchema: schema },
    );
    expect(tools.map(({ name }) => name)).toEqual(["good"]);
    expect(problems).toEqual([
      expect.stringContaining('its tool "array" is not valid: inputSchema.type'),
      expect.stringContaining("its tool without a name is not valid"),
      "its tool task runs only as a task, which is not supported",
      "its tool huge has a schema of more than 100000 characters",
      "its tool good is listed twice",
    ]);
  });
});

describe("a list", () => {
  test("is read to its last page", async () => {
    const pages: Record<string, ToolPage> = {
      "": { tools: [{ name: "a", inputSchema: schema }], nextCursor: "2" },
      "2": { tools: [], nextCursor: "3" },
      "3": { tools: [{ name: "b", inputSchema: schema }] },
    };
    const { tools } = await readToolList(async (cursor) => pages[cursor ?? ""] ?? { tools: [] });
    expect(tools.map(({ name }) => name)).toEqual(["a", "b"]);
  });

  test("that never ends is ended", async () => {
    let asked = 0;
    const { tools, problems } = await readToolList(async () => {
      asked += 1;
      return { tools: [{ name: `t${asked}`, inputSchema: schema }], nextCursor: "more" };
    });
    expect([asked, tools.length]).toEqual([100, 100]);
    expect(problems).toEqual([expect.stringContaining("the rest is left out")]);
  });

  test("has a bound on its tools", async () => {
    const page = Array.from({ length: 2_000 }, (_, index) => ({ name: `t${index}`, inputSchema: schema }));
    expect((await read(...page)).tools).toHaveLength(1_000);
  });
});
