import {
  type ConfigInput,
  type Item,
  type ModelId,
  modelIdSchema,
  parseConfig,
  parseRunSpec,
  type ToolDefinition,
} from "@baton/core";
import { describe, expect, test } from "vitest";
import { instructionsOfTurn, planPhase, toolsOfTurn } from "./phase-plan.ts";
import { claude, gpt, handoff, log } from "./testing/log.ts";

interface Given {
  readonly config?: ConfigInput;
  readonly items?: readonly Item[];
  readonly pool?: ModelId;
}

function planOf(spec: object, { config = {}, items = [], pool = gpt }: Given = {}) {
  const parsed = parseRunSpec({ input: "?", ...spec });
  return planPhase({ spec: parsed, items, held: { claim: { pool } } }, parseConfig(config, "test"));
}

const tool = (name: string): ToolDefinition => ({
  name,
  description: "",
  inputSchema: {},
  readOnly: true,
  idempotent: true,
  approval: false,
  origin: { kind: "function" },
});
const catalogue = { tools: [tool("zoom"), tool("add")], problems: [] };
const namesOf = (tools: readonly ToolDefinition[]) => tools.map((one) => one.name);

describe("settings", () => {
  const config = { models: { [gpt]: { settings: { temperature: 0, seed: 1, effort: "low" } } } } as const;

  test("of the list go before the run's, and those before the configuration's", () => {
    const model = [{ model: gpt, settings: { temperature: 1 } }, claude];
    const plan = planOf({ model, settings: { temperature: 0.5, seed: 2 } }, { config });
    expect(plan.settings).toEqual({ temperature: 1, seed: 2, effort: "low" });
  });

  test("of one model are not another's", () => {
    const model = [{ model: gpt, settings: { temperature: 1 } }, claude];
    expect(planOf({ model, settings: { seed: 2 } }, { config, pool: claude }).settings).toEqual({ seed: 2 });
  });

  test("of a step of a pipeline are not those of another step of the same model", () => {
    const phases = [{ model: gpt, settings: { temperature: 1 } }, { model: gpt }];
    const items = log(handoff(gpt, { by: "pipeline" }));
    expect(planOf({ phases }).settings).toEqual({ temperature: 1 });
    expect(planOf({ phases }, { items }).settings).toEqual({});
  });
});

describe("instructions", () => {
  const messages = [
    { role: "system", content: "be kind" },
    { role: "developer", content: [{ type: "text", text: "be true" }] },
    { role: "user", content: "?" },
  ];

  test("are the run's, then its system messages, then the step's", () => {
    const phases = [{ model: gpt, instructions: "find it" }];
    const plan = planOf({ input: undefined, messages, instructions: "be brief", phases });
    expect(plan.instructions).toBe("be brief\n\nbe kind\n\nbe true\n\nfind it");
  });

  test("are none when nobody says any", () => {
    expect(planOf({ model: gpt, instructions: "" }).instructions).toBeUndefined();
  });

  test("of a turn have the policy's words around them", () => {
    const plan = planOf({ model: gpt, instructions: "b" });
    expect(instructionsOfTurn(plan, { instructionsPrepend: "a", instructionsAppend: "c" })).toBe(
      "a\n\nb\n\nc",
    );
    expect(instructionsOfTurn(planOf({ model: gpt }), {})).toBeUndefined();
  });
});

describe("tools", () => {
  const mine = {
    type: "function",
    function: { name: "mine", description: "my own", parameters: { type: "object" } },
  };

  test("that a run names are its servers and configured functions", () => {
    expect(planOf({ model: gpt, mcp_servers: ["docs"], tools: ["add", mine] }).selection).toEqual({
      servers: ["docs"],
      functions: ["add"],
    });
  });

  test("of a step go before those of the run", () => {
    const phases = [{ model: gpt, mcp_servers: [], tools: ["zoom"] }, { model: claude }];
    const spec = { phases, mcp_servers: ["docs"], tools: ["add"] };
    expect(planOf(spec).selection).toEqual({ servers: [], functions: ["zoom"] });
    const items = log(handoff(claude, { by: "pipeline" }));
    expect(planOf(spec, { items, pool: claude }).selection).toEqual({
      servers: ["docs"],
      functions: ["add"],
    });
  });

  test("of a turn are sorted by name, whatever order they came in", () => {
    const plan = planOf({ model: [gpt, claude], tools: [mine] });
    const names = ["add", "mine", "transfer_to_anthropic_claude", "zoom"];
    expect(namesOf(toolsOfTurn(plan, catalogue, {}, 0))).toEqual(names);
    const turned = { ...catalogue, tools: catalogue.tools.toReversed() };
    expect(toolsOfTurn(plan, turned, {}, 0)).toEqual(toolsOfTurn(plan, catalogue, {}, 0));
  });

  test("of the caller go before others of the same name", () => {
    const plan = planOf({ model: gpt, tools: [{ type: "function", function: { name: "add" } }] });
    const [add, ...rest] = toolsOfTurn(plan, catalogue, {}, 0);
    expect(add).toMatchObject({ name: "add", origin: { kind: "client" }, inputSchema: { type: "object" } });
    expect(namesOf(rest)).toEqual(["zoom"]);
  });

  test("to hand off are not offered at the bound, of the run or of the policy", () => {
    const plan = planOf({ model: [gpt, claude], max_handoffs: 2 });
    const transfers = (handoffs: number, maxHandoffs?: number) =>
      toolsOfTurn(
        plan,
        { tools: [], problems: [] },
        maxHandoffs === undefined ? {} : { maxHandoffs },
        handoffs,
      ).length;
    expect([transfers(0), transfers(1), transfers(2)]).toEqual([1, 1, 0]);
    expect([transfers(0, 1), transfers(1, 1), transfers(2, 3)]).toEqual([1, 0, 1]);
  });

  test("are those that the policy allows", () => {
    const plan = planOf({ model: [gpt, claude] });
    expect(namesOf(toolsOfTurn(plan, catalogue, { denyTools: ["transfer_to_*"] }, 0))).toEqual([
      "add",
      "zoom",
    ]);
    expect(namesOf(toolsOfTurn(plan, catalogue, { allowTools: ["z*"] }, 0))).toEqual(["zoom"]);
  });

  test("to hand off are none for one model, nor in a pipeline", () => {
    expect(planOf({ model: gpt }).handoffTools).toEqual([]);
    expect(planOf({ phases: [{ model: gpt }, { model: claude }] }).handoffTools).toEqual([]);
  });

  test("to hand off tell the strengths that the operator knows", () => {
    const config = { models: { [claude]: { strengths: "poems" } } };
    const [one] = planOf({ model: [gpt, claude] }, { config }).handoffTools;
    expect(one?.definition.description).toContain("poems");
  });

  test("to hand off reach every model of the run, also from one that a retry brought in", () => {
    const other = modelIdSchema.parse("xai/grok");
    const plan = planOf({ model: [gpt, claude] }, { pool: other });
    expect(plan.handoffTools.map(({ to }) => to)).toEqual([gpt, claude]);
    expect(plan.models).toEqual([gpt, claude, other]);
  });
});

describe("bounds", () => {
  test("are the run's, or else the operator's", () => {
    const config = { limits: { maxTurns: 7, maxHandoffs: 3 } };
    expect(planOf({ model: gpt }, { config })).toMatchObject({ maxTurns: 7, maxHandoffs: 3 });
    expect(planOf({ model: gpt, max_turns: 2, max_handoffs: 0 }, { config })).toMatchObject({
      maxTurns: 2,
      maxHandoffs: 0,
    });
  });

  test("of a pipeline let it come to its end", () => {
    const phases = Array.from({ length: 12 }, () => ({ model: gpt }));
    expect(planOf({ phases, max_handoffs: 1 }).maxHandoffs).toBeGreaterThanOrEqual(11);
  });

  test("on what the next model sees are none, unless the run says so", () => {
    expect(planOf({ model: gpt }).handoffContext).toBe("full");
    expect(planOf({ model: gpt, handoff: { context: "brief" } }).handoffContext).toBe("brief");
  });
});
