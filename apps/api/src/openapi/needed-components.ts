/**
 * The type provider lists each named schema twice, as what is sent (`…Input`) and as what is answered. Here go those that
 * nothing refers to, and those that are the same in both forms; what is sent only has its plain name.
 */
import { asJson, type Json } from "./json.ts";

const SCHEMA = "#/components/schemas/";
const INPUT = "Input";

export function neededComponents(document: Json): Json {
  const { components, ...rest } = document;
  const { schemas: all, ...others } = asJson(components);
  const schemas = asJson(all);
  const same = twins(schemas);
  const merge = (name: string): string => (same.has(plainOf(name)) ? plainOf(name) : name);
  const merged = asJson(renamed(schemas, merge));
  const calls = asJson(renamed({ ...rest, others }, merge));
  const needed = reachable(merged, refsIn(calls));
  const nameOf = (name: string): string => (needed.has(plainOf(name)) ? name : plainOf(name));
  const kept = Object.fromEntries([...needed].sort().map((name) => [nameOf(name), merged[name]]));
  return asJson(
    renamed({ ...rest, components: { ...others, schemas: kept } }, (name) => nameOf(merge(name))),
  );
}

function plainOf(name: string): string {
  return name.endsWith(INPUT) ? name.slice(0, -INPUT.length) : name;
}

/** Names whose two forms say the same. Forms that refer to forms that differ do differ. */
function twins(schemas: Json): ReadonlySet<string> {
  const same = new Set(Object.keys(schemas).filter((name) => schemas[name + INPUT] !== undefined));
  const merge = (name: string): string => (same.has(plainOf(name)) ? plainOf(name) : name);
  const textOf = (name: string): string => JSON.stringify(renamed(schemas[name], merge));
  for (let before = -1; before !== same.size; ) {
    before = same.size;
    for (const name of same) if (textOf(name) !== textOf(name + INPUT)) same.delete(name);
  }
  return same;
}

function reachable(schemas: Json, from: readonly string[]): ReadonlySet<string> {
  const found = new Set<string>();
  const pending = [...from];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (found.has(name) || schemas[name] === undefined) continue;
    found.add(name);
    pending.push(...refsIn(schemas[name]));
  }
  return found;
}

function refsIn(value: unknown): string[] {
  const names: string[] = [];
  renamed(value, (name) => {
    names.push(name);
    return name;
  });
  return names;
}

/** The same with other names in its references. */
function renamed(value: unknown, nameOf: (name: string) => string): unknown {
  return JSON.parse(
    JSON.stringify(value, (key, inner: unknown) =>
      key === "$ref" && typeof inner === "string" && inner.startsWith(SCHEMA)
        ? `${SCHEMA}${nameOf(inner.slice(SCHEMA.length))}`
        : inner,
    ),
  );
}
