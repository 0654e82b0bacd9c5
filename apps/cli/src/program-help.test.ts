/** What `--help` says of where a command works, and of the environment. */
import { readFile } from "node:fs/promises";
import { modelSettingsSchema } from "@baton/core";
import type { Command } from "commander";
import { describe, expect, test } from "vitest";
import { buildProgram } from "./program.ts";

const program = buildProgram("0", () => undefined);
const commands = program.commands.flatMap((one) => [one, ...one.commands]);
const CONFIGURATION = new URL("../../../docs/configuration.md", import.meta.url);

function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHelpWidth: () => 80,
  });
  command.outputHelp();
  return text;
}

describe("the help", () => {
  test("names the server where a command can work through one, and there alone", () => {
    const without = commands.filter((command) => !helpOf(command).includes("--server"));
    const roots = new Set(without.map((one) => (one.parent === program ? one : one.parent)?.name()));
    expect([...roots].sort()).toEqual(["api", "demo", "doctor", "keys", "up", "worker"]);
    expect(without).toContain(commands.find((one) => one.parent?.name() === "keys"));
  });

  test("fits a terminal of 80 columns", () => {
    const wide = [program, ...commands].flatMap((one) => helpOf(one).split("\n"));
    expect(wide.filter((line) => line.length > 80)).toEqual([]);
  });

  test("tells of variables that the page on the configuration tells of", async () => {
    const page = await readFile(CONFIGURATION, "utf8");
    const named = helpOf(program).match(/\b[A-Z]+(?:_[A-Z]+)+\b/g) ?? [];
    expect(named).toContain("BATON_REDIS_URL");
    expect(named.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });
});

test("the efforts that a flag takes are those of a run spec", () => {
  const submit = commands.find((one) => one.name() === "submit");
  const effort = submit?.options.find(({ long }) => long === "--effort");
  expect(effort?.argChoices).toEqual(modelSettingsSchema.shape.effort.unwrap().options);
});
