import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { handoffText, handoffTools } from "./handoff.ts";
import { type ModelId, modelIdSchema } from "./model-id.ts";

const id = (text: string) => modelIdSchema.parse(text);
const none = () => undefined;

describe("handoff tools", () => {
  test("are one for each other model, told by what it is good at", () => {
    const models = ["openai/gpt-5.2", "anthropic/claude-opus-4-5", "ollama/qwen3:8b"].map(id);
    const tools = handoffTools(models, id("openai/gpt-5.2"), (model) =>
      model === "ollama/qwen3:8b" ? "sums" : undefined,
    );
    expect(tools.map(({ to }) => to)).toEqual(["anthropic/claude-opus-4-5", "ollama/qwen3:8b"]);
    const [claude, qwen] = tools.map(({ definition }) => definition);
    expect(claude?.description).toContain("anthropic/claude-opus-4-5, which is good at: writing");
    expect(qwen?.description).toContain("good at: sums");
    expect(qwen).toMatchObject({
      name: "transfer_to_ollama_qwen3_8b",
      origin: { kind: "transfer" },
      readOnly: true,
      idempotent: true,
      inputSchema: { required: ["reason", "brief"], additionalProperties: false },
    });
  });

  test("say nothing of strengths that nobody knows", () => {
    const [tool] = handoffTools([id("a/b"), id("c/d")], id("a/b"), none);
    expect(tool?.definition.description).not.toContain("good at");
  });

  test("are none for a lone model", () => {
    expect(handoffTools([id("a/b"), id("a/b")], id("a/b"), none)).toEqual([]);
  });

  const lookalike = fc
    .tuple(
      fc.constantFrom("a", "a-b"),
      fc.constantFrom("b.c", "b-c", "b_c", "b/c", "c", "b_c_2", "x".repeat(80)),
    )
    .map(([provider, model]) => id(`${provider}/${model}`));

  test("have distinct names of at most 64 characters, the same from every model's side", () => {
    fc.assert(
      fc.property(fc.uniqueArray(lookalike, { minLength: 2, maxLength: 12 }), (models) => {
        const names = new Map<ModelId, string>();
        for (const current of models) {
          const tools = handoffTools(models, current, none);
          expect(new Set(tools.map(({ definition }) => definition.name)).size).toBe(models.length - 1);
          for (const { to, definition } of tools) {
            expect(definition.name).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
            expect(definition.name).toBe(names.get(to) ?? definition.name);
            names.set(to, definition.name);
          }
        }
      }),
    );
  });
});

test("a handoff reads as who hands over, why, and what to do", () => {
  const handoff = { from: id("a/b"), to: id("c/d"), reason: "prose", brief: "write it" };
  expect(handoffText(handoff).split("\n")).toEqual([
    "Control has been handed over from a/b to you, c/d.",
    "Reason: prose",
    "Brief: write it",
  ]);
  expect(handoffText({ ...handoff, reason: "", brief: "" })).not.toContain("\n");
});
