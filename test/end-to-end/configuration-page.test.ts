/** docs/configuration.md against what is configured: each field and each variable stands there, and nothing else does. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { configSchema, parseConfig } from "@baton/core";
import { expect, test } from "vitest";
import { z } from "zod";
import { ROOT, readPage } from "../support/doc-page.ts";

const page = await readPage("docs/configuration.md");
const config = parseConfig({}, "the default");

/** What a schema is in JSON Schema, as far as it is walked here. */
const nodeSchema = z.looseObject({
  properties: z.record(z.string(), z.unknown()).optional(),
  additionalProperties: z.unknown().optional(),
  anyOf: z.array(z.unknown()).optional(),
});
/** What a program of the operator says, or what stands with run specs, in other words. */
const NOT_WALKED: ReadonlySet<string> = new Set(["settings", "policies", "tools"]);

/** Names of all fields, each once. */
function fieldsOf(schema: unknown, found = new Set<string>()): ReadonlySet<string> {
  const { data } = nodeSchema.safeParse(schema);
  if (data === undefined) return found;
  for (const [name, below] of Object.entries(data.properties ?? {})) {
    found.add(name);
    if (!NOT_WALKED.has(name)) fieldsOf(below, found);
  }
  fieldsOf(data.additionalProperties, found);
  for (const form of data.anyOf ?? []) fieldsOf(form, found);
  return found;
}

test("has every field of the configuration", () => {
  const fields = fieldsOf(z.toJSONSchema(configSchema, { io: "input", unrepresentable: "any" }));
  expect(fields.size).toBeGreaterThan(50);
  const code = [...page.text.matchAll(/`([^`\n]+)`/g), ...page.text.matchAll(/^```ts\n(.*?)^```/gms)]
    .map(([, text = ""]) => text)
    .join("\n");
  const named = new Set(code.match(/\w+/g));
  expect([...fields].filter((field) => !named.has(field))).toEqual([]);
});

test("its tables of bounds have the fields and the defaults that hold", () => {
  const told = (section: string) => {
    const text = page.text.split(`\n## ${section}\n`)[1]?.split("\n#")[0] ?? "";
    const rows = [...text.matchAll(/^\| (`[^|]*`) \|.*\| ([^|]*) \|$/gm)];
    return rows.flatMap(([, fields = "", defaults = ""]) => {
      const names = [...fields.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name);
      const values = defaults.split(", ");
      return names.map((name, place): [string, string] => [name, values[place] ?? values[0] ?? ""]);
    });
  };
  const limits = new Map(told("Limits"));
  expect([...limits.keys()].sort()).toEqual(Object.keys(config.limits).sort());
  for (const [name, value] of Object.entries(config.limits)) {
    expect(`${name} ${limits.get(name)}`).toMatch(
      new RegExp(`^${name} ${value.toLocaleString("en-US")}(:|$)`),
    );
  }
  const api = new Map(told("The HTTP API"));
  expect([...api.keys()].sort()).toEqual([...Object.keys(config.api), "trustProxy"].sort());
  for (const [name, value] of Object.entries(config.api)) {
    expect(`${name}: ${api.get(name)}`).toBe(`${name}: ${inWords(value)}`);
  }
});

function inWords(value: number | readonly unknown[]): string {
  if (typeof value !== "number") return "none";
  if (value % 2 ** 30 === 0) return `${value / 2 ** 30} GiB`;
  return value % 2 ** 20 === 0 ? `${value / 2 ** 20} MiB` : value.toLocaleString("en-US");
}

test("its table of variables has all that are read, and none that is not", async () => {
  const table = page.text.split("\n| variable |")[1]?.split("\n\n")[0] ?? "";
  const told = [...table.matchAll(/^\| (`[^|]*)/gm)].flatMap(([, names = ""]) =>
    [...names.matchAll(/`([A-Z_]+)`/g)].map(([, name = ""]) => name),
  );
  const files = ["apps/worker/src/environment.ts", "packages/core/src/config.ts"];
  const texts = await Promise.all(files.map((file) => readFile(join(ROOT, file), "utf8")));
  const read = texts.join("\n").match(/\b(BATON_[A-Z_]+|[A-Z]+_(API_KEY|BASE_URL))\b/g) ?? [];
  expect([...new Set(read)].filter((name) => !told.includes(name))).toEqual([]);
  const sources = (await sourcesOf(["apps", "packages"])).join("\n");
  expect(told.filter((name) => !new RegExp(`\\b${name}\\b`).test(sources))).toEqual([]);
  expect(told.length).toBeGreaterThan(10);
});

/** All of ours that is no test. */
async function sourcesOf(folders: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(
    folders.map((folder) => readdir(join(ROOT, folder), { recursive: true, withFileTypes: true })),
  );
  const files = found
    .flat()
    .filter(
      ({ name, parentPath }) =>
        name.endsWith(".ts") && !/\.test\.ts$/.test(name) && !/node_modules/.test(parentPath),
    );
  return Promise.all(files.map(({ name, parentPath }) => readFile(join(parentPath, name), "utf8")));
}
