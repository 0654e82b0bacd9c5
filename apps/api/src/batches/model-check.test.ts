import { modelIdSchema, parseConfig, parseRunSpec } from "@baton/core";
import { expect, test } from "vitest";
import { openModelCheck } from "./model-check.ts";

const config = parseConfig({ providers: { local: { api: "openai-chat" } } }, "the test");
const spec = (model: string, more: object = {}) => parseRunSpec({ input: "hi", model, ...more });

test("a model of a provider that nobody knows is wrong, wherever the spec names it", () => {
  const { check } = openModelCheck(config, []);
  expect(check(spec("local/x"))).toBeUndefined();
  expect(check(spec("openai/gpt-5.2"))).toBeUndefined();
  expect(check(spec("nobody/x"))).toContain(
    "there is no provider nobody; known are anthropic, local, openai",
  );
  expect(check(spec("openai/gpt-5.2", { fallback: ["nobody/y"] }))).toContain("nobody/y");
  const phases = [{ model: "openai/a" }, { model: "openai/b", fallback: ["nobody/z"] }];
  expect(check(parseRunSpec({ input: "hi", phases }))).toContain("nobody/z");
});

test("a model that a live worker serves is right, whatever its provider", () => {
  const { check, unserved } = openModelCheck(config, ["nobody/*"]);
  expect(check(spec("nobody/x"))).toBeUndefined();
  expect(check(spec("openai/gpt-5.2"))).toBeUndefined();
  expect(check(spec("openai/gpt-5.2"))).toBeUndefined();
  expect(unserved()).toEqual([modelIdSchema.parse("openai/gpt-5.2")]);
});

test("more models than it remembers are told right, and the unserved ones are bounded", () => {
  const { check, unserved } = openModelCheck(config, []);
  for (let at = 0; at < 10_100; at += 1) {
    expect(check(spec(`${at % 2 === 0 ? "openai" : "nobody"}/m${at}`)) === undefined).toBe(at % 2 === 0);
  }
  expect(unserved()).toHaveLength(100);
});
