import { describe, expect, test } from "vitest";
import { modelIdSchema } from "./model-id.ts";
import { allowsTool, askPolicy, type Policy, type PolicyContext, policyRulesSchema } from "./policy.ts";

const gpt = modelIdSchema.parse("openai/gpt");
const context: PolicyContext = {
  ...{ runId: "r", model: gpt, models: [gpt], phase: 1, turns: 4, phaseTurns: 2, handoffs: 1, tools: [] },
  ...{ items: [], metadata: { team: "a" } },
};
const ask = (rules: unknown) => askPolicy(policyRulesSchema.parse(rules), context);

describe("a table of rules", () => {
  test("merges what all that match decide, the later over the earlier", async () => {
    const rules = [
      { do: { maxTurns: 9, denyTools: ["a"] } },
      { when: { model: "openai/gpt" }, do: { maxTurns: 5 } },
      { when: { model: "openai/other" }, do: { stop: "no" } },
    ];
    expect(await ask(rules)).toEqual({ maxTurns: 5, denyTools: ["a"] });
  });

  test("without a match decides nothing", async () => {
    expect(await ask([{ when: { handoffs: { from: 2 } }, do: { stop: "no" } }])).toEqual({});
  });

  test.each([
    [{ phase: { from: 1, to: 1 } }, true],
    [{ phase: { to: 0 } }, false],
    [{ turns: { from: 4 } }, true],
    [{ turns: { from: 5 } }, false],
    [{ phaseTurns: { to: 2 } }, true],
    [{ phaseTurns: { from: 3 } }, false],
    [{ handoffs: {} }, true],
    [{ metadata: { team: "a" } }, true],
    [{ metadata: { team: "b" } }, false],
    [{ metadata: { team: "a", region: "eu" } }, false],
    [{ turns: { from: 4 }, metadata: { team: "b" } }, false],
  ])("matches when %j: %s", async (when, matches) => {
    expect(await ask([{ when, do: { maxTurns: 1 } }])).toEqual(matches ? { maxTurns: 1 } : {});
  });

  test.each([
    [[{ do: { maxTurns: 0 } }]],
    [[{ do: { maxturns: 3 } }]],
    [[{ when: { turn: { from: 1 } }, do: {} }]],
    [[{ when: {} }]],
  ])("is refused as %j", (rules) => {
    expect(policyRulesSchema.safeParse(rules).success).toBe(false);
  });
});

describe("a function", () => {
  test("is given the context, and may decide nothing", async () => {
    const seen: PolicyContext[] = [];
    const policy: Policy = (given) => {
      seen.push(given);
      return undefined;
    };
    expect(await askPolicy(policy, context)).toEqual({});
    expect(seen).toEqual([context]);
  });

  test("may take its time", async () => {
    expect(await askPolicy(async () => ({ stop: "enough" }), context)).toEqual({ stop: "enough" });
  });

  test.each([{ maxturns: 3 }, { maxTurns: "3" }, { model: "gpt" }])(
    "that decides %j is broken, and throws",
    async (said) => {
      // What a function written without types may return.
      await expect(askPolicy(() => said as object, context)).rejects.toThrow();
    },
  );
});

describe("tools", () => {
  test.each([
    [{}, "any", true],
    [{ allowTools: [] }, "any", false],
    [{ allowTools: ["read", "web_*"] }, "read", true],
    [{ allowTools: ["read", "web_*"] }, "web_fetch", true],
    [{ allowTools: ["read", "web_*"] }, "reader", false],
    [{ denyTools: ["web_*"] }, "web_fetch", false],
    [{ denyTools: ["web_*"] }, "read", true],
    [{ allowTools: ["*"], denyTools: ["read"] }, "read", false],
    [{ denyTools: ["*"] }, "read", false],
    [{ allowTools: ["a*c"] }, "abc", false],
  ])("by %j: is %s allowed? %s", (decision, name, allowed) => {
    expect(allowsTool(decision, name)).toBe(allowed);
  });
});
