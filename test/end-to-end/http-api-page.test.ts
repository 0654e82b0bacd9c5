/**
 * docs/http-api.md does what it says: each command is run in order, as it stands but for the port, against `baton up`; together
 * they make every call that the API has. Answers that are shown have the fields of the real ones, and errors their statuses.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { BatonError, ERROR_CODES } from "@baton/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { problemOf } from "../../apps/api/src/problem.ts";
import { type CliRig, openCli } from "../support/cli.ts";
import { linksOf, ROOT, readPage } from "../support/doc-page.ts";
import type { ScriptProcess } from "../support/processes.ts";
import { parseExposition } from "../support/prometheus-text.ts";
import { useRedis } from "../support/redis.ts";
import { runLines, type ShellLine } from "../support/shell-lines.ts";

const URL_OF_PAGE = "http://127.0.0.1:4800";
const WITHIN_MS = 120_000;
const METHODS = new Set(["get", "post", "patch", "put", "delete"]);

const page = await readPage("docs/http-api.md");
const redis = useRedis();
let cli: CliRig;
let up: ScriptProcess;
let url: string;
let ran: readonly ShellLine[];
beforeAll(async () => {
  // At the pace of a real model, so that a run which goes on can still be cancelled by the next line.
  cli = await openCli(redis.url, true);
  up = await cli.start(["up", "--port", "0", "--json"]);
  const [ready] = await up.line(/^\{"ready":true.*\}$/, 20_000);
  ({ url } = JSON.parse(ready));
  const lines = page.blocksIn("sh").flatMap((block) => block.trim().split("\n"));
  const here = lines.map((line) => line.replaceAll(URL_OF_PAGE, url));
  ran = await runLines(here, { folder: cli.folder, withinMs: WITHIN_MS });
}, WITHIN_MS);
afterAll(async () => {
  await up[Symbol.asyncDispose]();
  await cli[Symbol.asyncDispose]();
});

/** Statuses by what is special in a line; all others are 200. */
const SPECIAL: readonly (readonly [RegExp, number])[] = [
  [/--etag-compare/, 304],
  // The run that they are sent to is over, as the page says.
  [/\/(input|approve|reject)"/, 409],
  [/"run_at"|\/fork|--data-binary/, 202],
];

test("each of its commands works", () => {
  expect(ran.length).toBeGreaterThan(30);
  for (const { line, code, statuses, stdout } of ran) {
    const status = SPECIAL.find(([pattern]) => pattern.test(line))?.[1] ?? 200;
    const expected = line.includes("curl ") ? [status] : [];
    expect({ line, code, statuses, stdout }).toMatchObject({ line, code: 0, statuses: expected });
  }
  // What an act refuses, it refuses because of the run's status, and not of how it was asked.
  const refused = ran.filter(({ statuses }) => statuses.includes(409));
  expect(refused.map(({ stdout }) => JSON.parse(stdout).error.code)).toEqual(
    Array.from({ length: 3 }, () => "not_possible"),
  );
});

test("its commands make every call of the API", async () => {
  const document = await (await fetch(`${url}/openapi.json`)).text();
  const { paths }: { paths: Record<string, object> } = JSON.parse(document);
  const told = parseExposition(await (await fetch(`${url}/metrics`)).text());
  const calls = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods)
      .filter((method) => METHODS.has(method))
      .map((method) => ({ method: method.toUpperCase(), route: path.replace(/\{(\w+)\}/g, ":$1") })),
  );
  expect(calls.length).toBeGreaterThan(30);
  const isMade = (call: { method: string; route: string }) =>
    ["2xx", "4xx"].some((status) => (told.value("baton_api_requests_total", { ...call, status }) ?? 0) > 0);
  expect(calls.filter((call) => !isMade(call))).toEqual([]);
});

test("the answers that it shows have the fields of the real ones", () => {
  let at = -1;
  let shown = 0;
  for (const { language, text } of page.blocks) {
    if (language === "sh") at += text.trim().split("\n").length;
    if (language !== "json") continue;
    shown += 1;
    expect(differences(JSON.parse(text), JSON.parse(ran[at]?.stdout ?? "")), text).toEqual([]);
  }
  expect(shown).toBeGreaterThan(3);
});

test("its table has every code that an answer can have for a request, with its status", () => {
  const rows = [...page.text.matchAll(/^\| ((?:\d{3} ?)+) \| ((?:`\w+` ?)+) \|/gm)].flatMap(
    ([, statuses = "", codes = ""]) =>
      [...codes.matchAll(/\w+/g)].map(([code]) => [code, statuses.trim().split(" ").map(Number)] as const),
  );
  const table = new Map(rows);
  const known: ReadonlySet<string> = new Set(ERROR_CODES);
  expect([...table.keys()].filter((code) => !known.has(code))).toEqual([]);
  for (const code of ERROR_CODES) {
    const { status, body } = problemOf(new BatonError(code, "said"));
    // What has no status of its own is a fault, and told as one.
    const isOwn = body.error.code === code && status !== 500;
    if (isOwn) expect({ code, statuses: table.get(code) }).toEqual({ code, statuses: [status] });
  }
});

test("it names every code that an error can have", () => {
  const named = new Set([...page.text.matchAll(/`(\w+)`/g)].map(([, code = ""]) => code));
  expect(ERROR_CODES.filter((code) => !named.has(code))).toEqual([]);
});

test("its links lead to files that are there", () => {
  expect(linksOf(page).filter((link) => !existsSync(join(ROOT, "docs", link)))).toEqual([]);
});

/** Paths at which what is shown has a field that is not there, or of another kind; null goes with anything. */
function differences(shown: unknown, real: unknown, path = ""): readonly string[] {
  if (shown === null || real === null) return [];
  if (Array.isArray(shown) && Array.isArray(real)) {
    return shown.flatMap((one, place) => differences(one, real[place], `${path}/${place}`));
  }
  if (typeof shown !== typeof real || Array.isArray(shown) !== Array.isArray(real)) return [path];
  if (typeof shown !== "object" || typeof real !== "object") return [];
  return Object.entries(shown).flatMap(([name, one]) =>
    differences(one, Reflect.get(real, name), `${path}/${name}`),
  );
}
