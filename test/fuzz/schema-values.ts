/** Arbitrary values that fit a JSON schema of the API's document, as far as a schema says it. */
import fc from "fast-check";

export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

export type Schemas = Readonly<Record<string, JsonSchema>>;

const DEPTH_MAX = 6;
const ITEMS_MAX = 3;
const CHARS_MAX = 40;
const NUMBER_MAX = 2 ** 31;

export function valuesOf(schema: JsonSchema, schemas: Schemas, depth = 0): fc.Arbitrary<unknown> {
  const inner = (one: JsonSchema): fc.Arbitrary<unknown> => valuesOf(one, schemas, depth + 1);
  if (depth > DEPTH_MAX) return fc.constant(null);
  if (typeof schema.$ref === "string") {
    const name = schema.$ref.split("/").at(-1) ?? "";
    return inner(schemas[name] ?? {});
  }
  if ("const" in schema) return fc.constant(schema.const);
  if (Array.isArray(schema.enum)) return fc.constantFrom(...schema.enum);
  for (const any of [schema.anyOf, schema.oneOf]) {
    if (Array.isArray(any) && any.length > 0) return fc.oneof(...any.map((one: JsonSchema) => inner(one)));
  }
  if (Array.isArray(schema.allOf) && schema.allOf.length > 0) {
    const parts: fc.Arbitrary<unknown>[] = schema.allOf.map((one: JsonSchema) => inner(one));
    return fc.tuple(...parts).map((values) => Object.assign({}, ...values));
  }
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  return ofType(String(type), schema, inner);
}

function ofType(
  type: string,
  schema: JsonSchema,
  inner: (one: JsonSchema) => fc.Arbitrary<unknown>,
): fc.Arbitrary<unknown> {
  switch (type) {
    case "null":
      return fc.constant(null);
    case "boolean":
      return fc.boolean();
    case "integer":
      return fc.integer(rangeOf(schema, 1));
    case "number":
      return fc.double({ ...rangeOf(schema, 0.001), noNaN: true, noDefaultInfinity: true });
    case "string":
      return stringsOf(schema);
    case "array":
      return fc.array(inner(schemaOr(schema.items)), {
        minLength: Math.min(numberOr(schema.minItems, 0), ITEMS_MAX),
        maxLength: Math.max(numberOr(schema.minItems, 0), ITEMS_MAX),
      });
    case "object":
      return objectsOf(schema, inner);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

function rangeOf(schema: JsonSchema, step: number): { readonly min: number; readonly max: number } {
  const above = numberOr(schema.exclusiveMinimum, Number.NEGATIVE_INFINITY) + step;
  const min = Math.max(numberOr(schema.minimum, -NUMBER_MAX), above, -NUMBER_MAX);
  return { min, max: Math.max(min, Math.min(numberOr(schema.maximum, NUMBER_MAX), NUMBER_MAX)) };
}

function stringsOf(schema: JsonSchema): fc.Arbitrary<string> {
  if (schema.format === "date-time") {
    // A run that is not to begin for a century stays where it is.
    const [min, max] = [new Date("2000-01-01"), new Date("2120-01-01")];
    return fc.date({ min, max, noInvalidDate: true }).map((date) => date.toISOString());
  }
  if (schema.format === "uri") return fc.webUrl();
  if (typeof schema.pattern === "string") {
    const pattern = expressionOf(schema.pattern);
    if (pattern !== undefined) return fc.stringMatching(pattern);
  }
  const minLength = numberOr(schema.minLength, 0);
  const maxLength = Math.max(minLength, Math.min(numberOr(schema.maxLength, CHARS_MAX), CHARS_MAX));
  return fc.string({ minLength, maxLength, unit: "grapheme" });
}

/** Classes of characters by their Unicode names are nothing that strings can be made of. */
function expressionOf(pattern: string): RegExp | undefined {
  if (/\\[pP]\{|\(\?/.test(pattern)) return undefined;
  return new RegExp(pattern);
}

function objectsOf(
  schema: JsonSchema,
  inner: (one: JsonSchema) => fc.Arbitrary<unknown>,
): fc.Arbitrary<unknown> {
  const required: readonly unknown[] = Array.isArray(schema.required) ? schema.required : [];
  const properties = Object.entries(schemaOr(schema.properties));
  const known = fc.record(Object.fromEntries(properties.map(([name, one]) => [name, inner(schemaOr(one))])), {
    requiredKeys: properties.flatMap(([name]) => (required.includes(name) ? [name] : [])),
  });
  const { additionalProperties: more } = schema;
  if (typeof more !== "object" || more === null) return known;
  const extra = fc.dictionary(fc.string({ minLength: 1, maxLength: 12 }), inner(schemaOr(more)), {
    maxKeys: ITEMS_MAX,
  });
  return fc.tuple(extra, known).map(([some, rest]) => ({ ...some, ...rest }));
}

function schemaOr(value: unknown): JsonSchema {
  // A schema that is not an object is `true`: anything.
  return typeof value === "object" && value !== null ? (value as JsonSchema) : {};
}

function numberOr(value: unknown, other: number): number {
  return typeof value === "number" ? value : other;
}
