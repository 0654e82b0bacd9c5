import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { luaKeys } from "./keys.ts";
import {
  readLua,
  SCRIPTS,
  type ScriptDeclaration,
  type ScriptName,
  scriptBody,
  scriptNames,
} from "./scripts.ts";

const FILES = readdirSync(new URL("./lua/", import.meta.url)).map((file) => file.replace(/\.lua$/, ""));
/** What `keys_of` gives to the scripts, by its name there. */
const LUA_KEYS = [...luaKeys().matchAll(/(\w+) = (?:run_key|tag) \.\. /g)].map(
  ([, key = ""]) => `keys.${key}`,
);

/** Names of keys that a script builds from those that it is given, or that a function of its own is given. */
const DERIVED_KEYS: Partial<Record<ScriptName, readonly string[]>> = {
  // Of another run, the one that holds the idempotency key; and of the run's batch.
  create: ["idem_key", "known_key", "batch_key"],
  audit: ["index"],
  forget: ["batch_key", "batch_runs"],
};

/** The text of a header entry, its continuation lines (indented by two or more) joined. */
function headerOf(lua: string, name: string): string {
  const lines = lua.split("\n");
  const start = lines.findIndex((line) => line.startsWith(`-- ${name}: `));
  if (start < 0) throw new Error(`no "-- ${name}:" line`);
  let text = lines[start]?.slice(`-- ${name}: `.length) ?? "";
  for (const line of lines.slice(start + 1)) {
    if (!line.startsWith("--   ")) break;
    text += ` ${line.slice(2).trim()}`;
  }
  return text;
}

/** The code without its comments. */
function codeOf(lua: string): string {
  return lua.replace(/--.*$/gm, "");
}

/** `local a, b = x, f(y, z)` as pairs of a name and its expression; expressions may go over several lines. */
function bindingsOf(code: string): readonly (readonly [name: string, expression: string])[] {
  const found: [string, string][] = [];
  const statement = /local ([\w, ]+?)\s*=\s*((?:[^\n]|\n\s+(?!local|if|for|return|end|redis))+)/g;
  for (const [, names = "", values = ""] of code.matchAll(statement)) {
    const expressions = splitArguments(values);
    for (const [index, name] of names.split(",").entries())
      found.push([name.trim(), expressions[index] ?? ""]);
  }
  return found;
}

/** Splits at the commas that stand outside of brackets. */
function splitArguments(text: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = "";
  for (const char of text) {
    if ("([{".includes(char)) depth += 1;
    if (")]}".includes(char)) depth -= 1;
    if (depth < 0) break;
    if (char === "," && depth === 0) {
      parts.push(part.trim());
      part = "";
    } else part += char;
  }
  return [...parts, part.trim()];
}

test("every declared script has a file, and every file but the prelude is a declared script", () => {
  expect(FILES.toSorted()).toEqual([...scriptNames(), "prelude"].toSorted());
});

describe.each(scriptNames())("%s.lua", (name) => {
  const declaration: ScriptDeclaration = SCRIPTS[name];
  const lua = readLua(name);
  const code = codeOf(lua);

  test("its header lists the declared keys and arguments, a reply, and the invariants that it keeps", () => {
    expect(headerOf(lua, "KEYS")).toBe(declaration.keys.join(", "));
    expect(headerOf(lua, "ARGV")).toBe(declaration.args.join(", "));
    expect(headerOf(lua, "Reply")).not.toBe("");
    expect(headerOf(lua, "Keeps")).toMatch(/R\d/);
  });

  test("each local that is bound to an argument has the name that is declared for that place", () => {
    const bound = bindingsOf(code).flatMap(([local, expression]) => {
      const place = /^(?:tonumber\()?ARGV\[(\d+)\]/.exec(expression)?.[1];
      return place === undefined ? [] : [[local, declaration.args[Number(place) - 1]]];
    });
    for (const [local, declared] of bound) expect(local).toBe(declared);
    const many = declaration.args.findIndex((arg) => arg.endsWith("..."));
    const leading = many < 0 ? declaration.args : declaration.args.slice(0, many);
    expect(bound.map(([local]) => local)).toEqual(leading);
  });

  test("items begin at the place that is declared for them", () => {
    const first = /local first_item = (\d+)/.exec(code)?.[1];
    const declared = declaration.args.indexOf("items...");
    expect(first === undefined ? -1 : Number(first) - 1).toBe(declared);
  });

  test("it touches no key but those that it is given, and those of its run and its shard", () => {
    const derived = DERIVED_KEYS[name] ?? [];
    const own = bindingsOf(code).filter(([, expression]) => /^KEYS\[/.test(expression));
    const looped = [...code.matchAll(/for _, (\w+) in ipairs\(owned_keys\(keys\)\)/g)].map(
      ([, key = ""]) => key,
    );
    const given = new Set([...own.map(([local]) => local), ...looped, ...derived]);
    const touched = touchedKeys(code);
    for (const key of touched) {
      const isGiven = given.has(key) || /^KEYS\[/.test(key) || LUA_KEYS.includes(key);
      expect(isGiven, `${name}.lua touches ${key}`).toBe(true);
    }
    expect(code).not.toContain("baton}");
    if (code.includes("keys.")) expect(code).toMatch(/local keys = keys_of\(KEYS\[\w+\]\)/);
  });

  test("its body carries the flag for a full memory if and only if it is declared to run then", () => {
    expect(scriptBody(name).split("\n")[0]).toBe(declaration.allowOom ? "#!lua flags=allow-oom" : "#!lua");
  });
});

/** The key expressions of all Redis commands, and of the prelude's function that takes a key by itself. */
function touchedKeys(code: string): readonly string[] {
  const keys: string[] = [];
  for (const match of code.matchAll(/redis\.p?call\(\s*('\w+'|[^,)]+)([^\n]*)/g)) {
    if (match[1] === "'TIME'") continue;
    keys.push(splitArguments((match[2] ?? "").replace(/^,/, ""))[0] ?? "");
  }
  for (const [, key = ""] of code.matchAll(/(?<!function )load_run\(([^,)]+)/g)) keys.push(key);
  return keys;
}

test("the prelude touches keys of its parameters alone", () => {
  const touched = touchedKeys(codeOf(readLua("prelude")));
  expect(touched.length).toBeGreaterThan(10);
  for (const key of touched) {
    // `key` runs over owned_keys, which are keys of the run and its idempotency key; `index` and a batch's `key` begin
    // with `keys.status` or `keys.batch_prefix`.
    expect(["run_key", "holds_key", "index", "key", ...LUA_KEYS]).toContain(key);
  }
});
