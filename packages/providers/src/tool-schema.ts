/**
 * Tool schemas as the APIs take them: an object at the top with `properties`, and no combinator there. MCP
 * servers write others; the alternatives are merged into one object, which is wider but never refuses an
 * argument that the tool would have taken.
 */
import { z } from "zod";

export type ObjectSchema = { readonly type: "object"; readonly [key: string]: unknown };

const record = z.record(z.string(), z.unknown());
const branchSchema = z.looseObject({
  properties: record.optional(),
  required: z.array(z.string()).optional(),
});
type Branch = z.infer<typeof branchSchema>;

const COMBINATORS = ["anyOf", "oneOf", "allOf"] as const;
const REFUSED_AT_TOP = new Set<string>([
  ...COMBINATORS,
  "not",
  "enum",
  "const",
  "if",
  "then",
  "else",
  "$schema",
]);

export function objectSchema(schema: Readonly<Record<string, unknown>>): ObjectSchema {
  const rest = Object.fromEntries(Object.entries(schema).filter(([key]) => !REFUSED_AT_TOP.has(key)));
  let properties = record.safeParse(schema.properties).data ?? {};
  let required = z.array(z.string()).safeParse(schema.required).data ?? [];
  for (const combinator of COMBINATORS) {
    const branches = z.array(branchSchema).safeParse(schema[combinator]).data ?? [];
    if (branches.length === 0) continue;
    properties = Object.assign({}, ...branches.map((branch) => branch.properties ?? {}), properties);
    required = [...new Set([...required, ...requiredOf(branches, combinator === "allOf")])];
  }
  return { ...rest, type: "object", properties, ...(required.length === 0 ? {} : { required }) };
}

/** What all branches ask for together, or, of alternatives, what each of them asks for. */
function requiredOf(branches: readonly Branch[], together: boolean): readonly string[] {
  const all = branches.map((branch) => branch.required ?? []);
  if (together) return all.flat();
  const [first = [], ...others] = all;
  return first.filter((name) => others.every((names) => names.includes(name)));
}
