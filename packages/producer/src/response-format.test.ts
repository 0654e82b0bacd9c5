import { parseRunSpec } from "@baton/core";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { type ResponseFormatParam, readFormat } from "./response-format.ts";

const jsonSchemaOf = (schema: z.ZodType) => {
  const spec = parseRunSpec({ input: "?", model: "openai/gpt", response_format: readFormat(schema).spec });
  return spec.response_format?.type === "json_schema" ? spec.response_format.json_schema : undefined;
};

describe("a zod schema", () => {
  test("is told to the model as JSON Schema, strictly when all of it is required", () => {
    expect(jsonSchemaOf(z.object({ a: z.string(), b: z.array(z.object({ c: z.number() })) }))).toEqual({
      name: "output",
      strict: true,
      schema: {
        type: "object",
        properties: {
          a: { type: "string" },
          b: {
            type: "array",
            items: {
              type: "object",
              properties: { c: { type: "number" } },
              required: ["c"],
              additionalProperties: false,
            },
          },
        },
        required: ["a", "b"],
        additionalProperties: false,
      },
    });
  });

  test.each([
    ["an optional field", z.object({ a: z.string().optional() })],
    ["an optional field below", z.object({ a: z.array(z.object({ b: z.string().optional() })) })],
    ["fields of any name", z.object({ a: z.record(z.string(), z.string()) })],
    ["further fields", z.looseObject({ a: z.string() })],
  ])("with %s is not strict", (_, schema) => {
    expect(jsonSchemaOf(schema)).not.toHaveProperty("strict");
  });

  test("gives its title as the name", () => {
    expect(jsonSchemaOf(z.object({}).meta({ title: "my answer" }))).toMatchObject({ name: "my_answer" });
  });

  test("that transforms is told by what goes into it", () => {
    const schema = z.object({ n: z.string().transform(Number) });
    expect(jsonSchemaOf(schema)?.schema).toMatchObject({ properties: { n: { type: "string" } } });
    expect(readFormat(schema).parse?.('{"n":"4"}', "r")).toEqual({ n: 4 });
  });

  test("that JSON Schema cannot express is refused", () => {
    expect(() => readFormat(z.object({ a: z.instanceof(Map) }))).toThrow(
      expect.objectContaining({ code: "invalid_spec" }),
    );
  });

  test.each([
    ["no JSON", "oops", /it is not JSON/],
    ["another type", '{"a":1}', /a: /],
  ])("refuses %s, with the run's id and the cause", (_, text, message) => {
    const { parse } = readFormat(z.object({ a: z.string() }));
    expect(() => parse?.(text, "r_1")).toThrow(
      expect.objectContaining({
        code: "provider_protocol",
        message: expect.stringMatching(message),
        fields: { runId: "r_1" },
        cause: expect.any(Error),
      }),
    );
  });
});

describe("a format of chat completions", () => {
  test("is passed on, and promises nothing", () => {
    const format = { type: "json_schema", json_schema: { name: "x", schema: { type: "object" } } } as const;
    expect(readFormat(format)).toEqual({ spec: format, parse: undefined });
    expect(readFormat({ type: "json_object" })).toEqual({ spec: { type: "json_object" }, parse: undefined });
    expect(readFormat(undefined)).toEqual({ spec: undefined, parse: undefined });
  });

  test("with the parser that a helper put on it is read by that", () => {
    const format = { type: "json_schema", json_schema: { name: "x", schema: {} } } as const;
    Object.defineProperty(format, "$parseRaw", { value: (text: string) => Number(text), enumerable: false });
    const read = readFormat(format as ResponseFormatParam<number>);
    expect(read.spec).toEqual({ type: "json_schema", json_schema: { name: "x", schema: {} } });
    expect(read.parse?.("4", "r")).toBe(4);
  });
});
