import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tempFolder } from "../../../../test/support/temp-folder.ts";
import { gatherMachine, type MachineFacts, machineFindings } from "./machine.ts";

const FACTS: MachineFacts = {
  node: "24.1.0",
  baton: "1.0.0",
  environmentProblem: undefined,
  config: { kind: "none" },
  dataFolder: { path: ".baton", state: "writable", freeBytes: 1e12 },
};

function line(name: string, facts: MachineFacts) {
  return machineFindings(facts).find((finding) => finding.name === name);
}

test("an old Node, a full disk and a folder that is none are told", () => {
  expect(machineFindings(FACTS).every(({ status }) => status === "ok")).toBe(true);
  expect(line("node", { ...FACTS, node: "22.9.0" })?.status).toBe("fail");
  const folder = (state: MachineFacts["dataFolder"]["state"], freeBytes?: number) =>
    line("data folder", { ...FACTS, dataFolder: { path: "x", state, freeBytes } })?.status;
  expect(folder("writable", 1e6)).toBe("warn");
  expect(folder("not_writable")).toBe("fail");
  expect(folder("no_folder")).toBe("fail");
});

test("an environment and a configuration that are invalid are lines, and the rest goes on", async () => {
  await using folder = await tempFolder();
  await writeFile(join(folder.path, "baton.config.json"), '{"mcpServers": {"a": canary-in-the-file }}');
  await writeFile(join(folder.path, ".baton"), "a file");
  const variables = { BATON_LOG: "loud", BATON_DATA_DIR: join(folder.path, ".baton") };
  const machine = await gatherMachine(variables, folder.path);
  const findings = machineFindings(machine.facts);
  expect(findings.filter(({ status }) => status === "fail").map(({ name }) => name)).toEqual([
    "environment",
    "configuration",
    "data folder",
  ]);
  expect(JSON.stringify(findings)).not.toContain("canary");
  expect(machine.config.limits.maxTurns).toBe(50);
});

test("any variable that stops a start is a line of its own, and is not quoted where it may be a secret", async () => {
  await using folder = await tempFolder();
  for (const name of ["BATON_SHARDS", "BATON_METRICS_PORT", "BATON_ENCRYPTION_KEYS"]) {
    const { facts } = await gatherMachine({ [name]: "canary-of-a-variable" }, folder.path);
    const failed = machineFindings(facts).filter(({ status }) => status === "fail");
    expect(failed.map((finding) => finding.name)).toEqual(["environment"]);
    expect(failed[0]?.found).toContain(name);
    if (name === "BATON_ENCRYPTION_KEYS") expect(failed[0]?.found).not.toContain("canary");
  }
});

test("a data folder that does not exist is not made", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "deep", "er");
  const { facts } = await gatherMachine({ BATON_DATA_DIR: path }, folder.path);
  expect(facts.dataFolder).toMatchObject({ path: "deep/er", state: "not_yet" });
  await mkdir(path, { recursive: true });
  const again = await gatherMachine({ BATON_DATA_DIR: path }, folder.path);
  expect(again.facts.dataFolder).toMatchObject({ state: "writable" });
});
