/**
 * Tools as the Dedalus client sends them: it writes every key of a request in snake_case, those of JSON Schema
 * included, so that `additionalProperties` comes as `additional_properties`, which no model's API knows. Keywords are
 * given their own names back; names of properties are left as they are. Marks for caches beside a function are left out.
 */
import type { Body } from "@baton/producer";

const KEYWORDS = new Map(
  [
    ...["additionalItems", "additionalProperties", "allOf", "anyOf", "contentEncoding", "contentMediaType"],
    ...["contentSchema", "dependentRequired", "dependentSchemas", "exclusiveMaximum", "exclusiveMinimum"],
    ...["maxContains", "maxItems", "maxLength", "maxProperties", "minContains", "minItems", "minLength"],
    ...["minProperties", "multipleOf", "oneOf", "patternProperties", "prefixItems", "propertyNames"],
    ...["readOnly", "unevaluatedItems", "unevaluatedProperties", "uniqueItems", "writeOnly"],
  ].map((keyword) => [keyword.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), keyword]),
);

/** Under these, keys are names that the caller chose, and each value is a schema. */
const MAPS_OF_SCHEMAS = new Set([
  "properties",
  "patternProperties",
  "dependentSchemas",
  "$defs",
  "definitions",
]);
/** Under these stand values, which no keyword is in. */
const VALUES = new Set(["const", "default", "enum", "examples", "example", "dependentRequired"]);

/** The list with its schemas' keywords restored; what is no list of functions is left to the check of the spec. */
export function restoreTools(tools: unknown): unknown {
  if (!Array.isArray(tools)) return tools;
  return tools.map((tool: unknown) => {
    if (!isObject(tool) || !isObject(tool.function)) return tool;
    const { type } = tool;
    const { parameters, ...rest } = tool.function;
    const definition = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null));
    if (parameters === undefined || parameters === null) return { type, function: definition };
    return { type, function: { ...definition, parameters: restoreSchema(parameters) } };
  });
}

function restoreSchema(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(restoreSchema);
  if (!isObject(schema)) return schema;
  const restored: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema)) {
    const keyword = KEYWORDS.get(key) ?? key;
    if (MAPS_OF_SCHEMAS.has(keyword) && isObject(value)) {
      restored[keyword] = Object.fromEntries(
        Object.entries(value).map(([name, one]) => [name, restoreSchema(one)]),
      );
    } else {
      restored[keyword] = VALUES.has(keyword) ? value : restoreSchema(value);
    }
  }
  return restored;
}

function isObject(value: unknown): value is Body {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
