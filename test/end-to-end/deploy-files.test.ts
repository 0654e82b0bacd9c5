import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { openCli } from "../support/cli.ts";
import { type Exposition, parseExposition } from "../support/prometheus-text.ts";
import { useRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";

const redis = useRedis();
const DOCS = join(import.meta.dirname, "..", "..", "docs");

/** What a worker and an API tell that did real work; of what both tell, the worker's comes first. */
let told: Exposition;
let files: ReadonlyMap<string, string>;
beforeAll(async () => {
  files = new Map(await filesUnder(join(DOCS, "deploy")));
  await using cli = await openCli(redis.url);
  const path = join(cli.folder, "baton.config.json");
  const config: { providers: { openai: object } } = JSON.parse(await readFile(path, "utf8"));
  Object.assign(config.providers.openai, { limits: { rpm: 10_000 } });
  await writeFile(path, JSON.stringify(config));
  await using worker = await cli.start(["up", "--port", "0", "--metrics-port", "0", "--json"]);
  const ready: { metrics: string; url: string } = JSON.parse((await worker.line(/^\{.*\}$/, 20_000))[0]);
  const models = ["-m", "openai/gpt-5.2", "-m", "anthropic/claude-opus-4-5"];
  const run = await cli.run(["run", "Research sourdough", ...models, "--mcp", "documents"]);
  expect(run.code).toBe(0);
  const textOf = async (url: string) => (await fetch(`${url}/metrics`)).text();
  // What an API answered is counted behind the answer.
  await textOf(ready.url);
  told = await until(
    async () => {
      const now = parseExposition(`${await textOf(ready.metrics)}\n${await textOf(ready.url)}`);
      return now.value("baton_reconciler_pass_age_seconds") !== undefined && now;
    },
    { what: "all that the store tells" },
  );
});

async function filesUnder(folder: string): Promise<readonly (readonly [string, string])[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const found = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(
    found.map(async (path) => [path.slice(DOCS.length + 1), await readFile(path, "utf8")] as const),
  );
}

/** Names of metrics in a text that nobody tells; the series of a histogram have their suffixes. */
function unknownNames(text: string, exposition: Exposition): readonly string[] {
  const names = new Set(text.match(/\b(?:baton|nodejs|process)_[a-z0-9_]+/g));
  return [...names].filter((name) => {
    const ofHistogram = /^(.*)_(?:bucket|sum|count)$/.exec(name)?.[1];
    if (ofHistogram !== undefined && exposition.types.get(ofHistogram) === "histogram") {
      return !exposition.samples.some((sample) => sample.name === name);
    }
    return !exposition.types.has(name);
  });
}

/** Labels that a query names, by a matcher, and that no sample of the metric has. */
function unknownLabels(text: string, exposition: Exposition): readonly string[] {
  return [...text.matchAll(/\b(baton_[a-z0-9_]+)\{([^}]*)\}/g)].flatMap(([, name = "", matchers = ""]) => {
    const samples = exposition.samples.filter((sample) => sample.name === name);
    if (samples.length === 0) return [];
    const labels = [...matchers.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)/g)].map(([, label = ""]) => label);
    const isThere = (label: string) => samples.some((sample) => Object.hasOwn(sample.labels, label));
    return labels.filter((label) => !isThere(label)).map((label) => `${name}{${label}}`);
  });
}

test("each metric that the files for deployment name is told by a worker or an API that worked", () => {
  expect([...files.keys()].sort()).toEqual(
    expect.arrayContaining([
      join("deploy", "alerts.yml"),
      join("deploy", "grafana", "dashboards", "baton.json"),
      join("deploy", "keda-scaledobject.yaml"),
    ]),
  );
  for (const [path, text] of files) {
    expect({ path, unknown: unknownNames(text, told) }).toEqual({ path, unknown: [] });
    expect({ path, unknown: unknownLabels(text, told) }).toEqual({ path, unknown: [] });
  }
  const dashboard = files.get(join("deploy", "grafana", "dashboards", "baton.json")) ?? "";
  expect(dashboard.match(/baton_[a-z0-9_]+/g)?.length).toBeGreaterThan(20);
  const keda = files.get(join("deploy", "keda-scaledobject.yaml")) ?? "";
  expect(keda).toMatch(/baton_backlog_runs/);
  expect(keda).toMatch(/baton_oldest_wait_seconds/);
});

test("a name that nobody tells is found, and a label that the metric does not have", () => {
  expect(unknownNames("rate(baton_phases_total[5m])", told)).toEqual(["baton_phases_total"]);
  expect(unknownNames("baton_backlog_runs_bucket", told)).toEqual(["baton_backlog_runs_bucket"]);
  expect(unknownNames("baton_phase_duration_seconds_bucket", told)).toEqual([]);
  expect(unknownLabels('baton_backlog_runs{queue="a", state!="b"}', told)).toEqual([
    "baton_backlog_runs{queue}",
  ]);
});

test("the page about metrics tells each one that there is, and none that is not", async () => {
  const page = await readFile(join(DOCS, "observability.md"), "utf8");
  expect(unknownNames(page, told)).toEqual([]);
  const own = [...told.types.keys()].filter((name) => name.startsWith("baton_"));
  expect(own.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});

test("the limits of a provider's account are told, and what is left of them", () => {
  const requests = { bucket: "openai", of: "requests" };
  const used = told.value("baton_provider_limit_used", requests) ?? 0;
  expect(told.value("baton_provider_limit", requests)).toBe(10_000);
  expect(used).toBeGreaterThan(1);
  expect(told.value("baton_provider_limit_headroom", requests)).toBe(10_000 - used);
});

test("what a checkout may hold of secrets does not go to the engine that builds the image", async () => {
  const root = join(import.meta.dirname, "..", "..");
  const rules = (await readFile(join(root, ".dockerignore"), "utf8")).split("\n");
  expect(rules.find((rule) => /^[^#]/.test(rule))).toBe("*");
  expect(rules.filter((rule) => rule.startsWith("!"))).toEqual([
    "!package.json",
    "!package-lock.json",
    "!LICENSE",
    "!packages",
    "!apps",
  ]);
  // They lie below the folders that are taken, too.
  for (const name of ["**/.env", "**/.env.*", "**/.npmrc"]) expect(rules).toContain(name);
});
