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
import { bindingsOf, codeOf, keyJudge, sourcesOf, touchedKeys } from "./testing/lua-source.ts";

const FILES = readdirSync(new URL("./lua/", import.meta.url)).map((file) => file.replace(/\.lua$/, ""));

/** Names of keys that no expression tells: what a function of the script itself is given. */
const GIVEN: Partial<Record<ScriptName, readonly string[]>> = {
  // The key of another run, the one that holds the idempotency key.
  create: ["known_key"],
  // A parameter of its function `settle`.
  audit: ["index"],
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

test("every declared script has a file, and every file is a declared script, or put before some", () => {
  expect(FILES.toSorted()).toEqual([...scriptNames(), "prelude", "bucket", "lists"].toSorted());
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
    const looped = [...code.matchAll(/for _, (\w+) in ipairs\(owned_keys\(keys\)\)/g)].map(
      ([, key = ""]) => key,
    );
    const isKey = keyJudge({ code, luaKeys: luaKeys(), given: [...looped, ...(GIVEN[name] ?? [])] });
    for (const key of touchedKeys(code)) expect(isKey(key), `${name}.lua touches ${key}`).toBe(true);
    for (const { call, isRight } of sourcesOf(code, isKey)) expect(isRight, call).toBe(true);
    for (const [local, expression] of bindingsOf(code)) {
      if (local === "keys") expect(expression).toMatch(/^keys_of\(/);
      if (local === "admission") expect(expression).toMatch(/^admission_of\(/);
      if (local === "spaces") expect(expression).toMatch(/^spaces_of\(/);
    }
    expect(code).not.toContain("baton}");
    expect(code).not.toMatch(/\btag \.\. /);
    if (code.includes("keys.")) expect(code).toMatch(/local keys = keys_of\(/);
  });

  test("its body carries the flag for a full memory if and only if it is declared to run then", () => {
    expect(scriptBody(name).split("\n")[0]).toBe(declaration.allowOom ? "#!lua flags=allow-oom" : "#!lua");
  });
});

test("the prelude touches keys of its parameters alone", () => {
  const code = codeOf(readLua("prelude"));
  // `key` runs over owned_keys, which are keys of the run and its idempotency key, or begins with `keys.batch_prefix` or
  // `space_prefix`; `index` is `keys.status`, or begins so.
  const isKey = keyJudge({
    code,
    luaKeys: luaKeys(),
    given: ["run_key", "holds_key", "index", "key"],
  });
  const touched = touchedKeys(code);
  expect(touched.length).toBeGreaterThan(40);
  for (const key of touched) expect(isKey(key), `the prelude touches ${key}`).toBe(true);
  for (const { call, isRight } of sourcesOf(code, isKey)) expect(isRight, call).toBe(true);
});

describe("what counts as a key", () => {
  const code = [
    "local keys = keys_of(KEYS[1])",
    "local admission = admission_of(keys.tag)",
    "local queue, other = admission.admit_prefix .. pool, pool .. ':x'",
    "local flow = { queue = queue, name = pool }",
    "local loop = loop",
  ].join("\n");
  const isKey = keyJudge({ code, luaKeys: luaKeys(), given: ["passed"] });
  const right = [
    ...[
      "KEYS[1]",
      "keys.run",
      "keys.batch_prefix .. batch",
      "keys.batch_prefix .. batch .. ':ended'",
      "queue",
    ],
    ...["admission.later", "admission_of(keys.tag).begun", "queue .. ':x'", "flow.queue", "passed"],
  ];
  const wrong = [
    ...[
      "keys.id",
      "keys.tag",
      "keys.batch_prefix",
      "keys.nothing",
      "admission.admit_prefix",
      "admission.nothing",
    ],
    ...[
      "admission_of(pool).begun",
      "other",
      "flow.name",
      "unknown",
      "'name'",
      "'{baton}:x'",
      "pool .. keys.run",
    ],
    ...["keys.run .. pool", "loop", "KEYS[1] .. pool", "admission_of(keys.tag).nothing"],
  ];
  test.each(right)("%s does", (expression) => expect(isKey(expression)).toBe(true));
  test.each(wrong)("%s does not", (expression) => expect(isKey(expression)).toBe(false));

  test("and each argument of a command that takes many is judged, over several on a line", () => {
    const line = "redis.call('DEL', a, keys.b .. ':c') redis.call('TIME') redis.call('HGET', x, 'y')";
    expect(touchedKeys(line)).toEqual(["a", "keys.b .. ':c'", "x"]);
    expect(sourcesOf("keys_of(pool) admission_of(tag)", isKey).map(({ isRight }) => isRight)).toEqual([
      false,
      false,
    ]);
  });
});

test("the functions of buckets touch the bucket alone that they are given", () => {
  const touched = touchedKeys(codeOf(readLua("bucket")));
  expect(touched.length).toBeGreaterThan(4);
  for (const key of touched) expect(["bucket_key", "bucket.key"]).toContain(key);
});

test("the functions that list batches touch the lists alone that they are given, and those of namespaces", () => {
  const touched = touchedKeys(codeOf(readLua("lists")));
  expect(touched).toEqual(["batches_key", "own_key", "batches_key", "own_key"]);
  const own = bindingsOf(codeOf(readLua("lists"))).filter(([name]) => name === "own_key");
  expect(own.map(([, expression]) => expression)).toEqual(Array(2).fill("list_of_space(spaces, batch)"));
});
