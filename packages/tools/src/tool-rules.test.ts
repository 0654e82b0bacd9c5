/** The operator's rules over what servers say, and approval, at real servers. */
import { functionTool, type ToolDefinition } from "@baton/core";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import {
  callTool,
  fixture,
  invocationOf,
  NEVER,
  selectionOf,
  testHost,
  textIn,
  until,
} from "./testing/hosts.ts";
import { startHttpFixture } from "./testing/http-fixture.ts";
import { applyRules, strayRules } from "./tool-rules.ts";

const f = selectionOf(["f"]);
const flagsOf = (tools: readonly ToolDefinition[], name: string) => {
  const tool = tools.find((each) => each.name === name);
  return { readOnly: tool?.readOnly, idempotent: tool?.idempotent, approval: tool?.approval };
};

describe("rules", () => {
  test("go over what the server says, and those of a name over those of all others", async () => {
    const tools = {
      "*": { idempotent: true, approval: true },
      echo: { readOnly: false },
      hung: { idempotent: false, readOnly: true },
    };
    await using host = testHost({ servers: { f: { ...fixture(), tools } } });
    const listed = await host.list(f, NEVER);
    expect(flagsOf(listed.tools, "echo")).toEqual({ readOnly: false, idempotent: false, approval: false });
    expect(flagsOf(listed.tools, "hung")).toEqual({ readOnly: true, idempotent: false, approval: false });
    expect(flagsOf(listed.tools, "talk")).toEqual({ readOnly: false, idempotent: true, approval: true });
  });

  test("that name no tool of the server are told once, with the names that are near", async () => {
    const problems: string[] = [];
    const tools = { "*": { idempotent: false }, ech: { approval: true }, echo: { readOnly: true } };
    await using host = testHost({
      servers: { f: { ...fixture(), tools } },
      onProblem: ({ server, message }) => problems.push(`${server}: ${message}`),
    });
    await host.list(f, NEVER);
    // A new session reads the list anew, and so does a list that changed.
    await callTool(host, f, "die");
    await callTool(host, f, "add_tool", { name: "extra" });
    await until("the list is new", async () =>
      (await host.list(f, NEVER)).tools.some(({ name }) => name === "extra"),
    );
    expect(problems).toEqual([
      "f: the configuration has a rule for its tool ech, which it does not list. Did you mean echo?",
      "f: exited with code 3; it said: the fixture dies",
    ]);
  });

  test("are looked up by the tool's own name, whatever objects are called like", () => {
    const tool = {
      name: "constructor",
      description: "",
      inputSchema: {},
      readOnly: false,
      idempotent: false,
      approval: false,
    };
    const list = { tools: [tool], problems: [] };
    expect(applyRules(list, {})).toEqual(list);
    expect(strayRules(list, { toString: { readOnly: true } }).size).toBe(1);
  });
});

describe("a tool that needs approval", () => {
  const ran: string[] = [];
  const wipe = functionTool({
    name: "wipe",
    description: "",
    parameters: z.object({}),
    approval: true,
    run: () => ran.push("wipe"),
  });
  const approved = { approved: true };

  test("says so in the list and does not run unless it was approved: a function", async () => {
    await using host = testHost({ functions: [wipe] });
    const selection = selectionOf([], ["wipe"]);
    expect((await host.list(selection, NEVER)).tools[0]?.approval).toBe(true);
    const refused = await callTool(host, selection, "wipe");
    expect(refused.isError).toBe(true);
    expect(textIn(refused)).toBe("wipe was not called: a person has to approve each call of it first.");
    expect(ran).toEqual([]);
    const outcome = await host.call(invocationOf(selection, "wipe", {}, approved), NEVER);
    expect(outcome.isError).toBe(false);
    expect(ran).toEqual(["wipe"]);
  });

  test("does not run unless it was approved: a server's, under its own name and under an alias", async () => {
    const tools = { echo: { approval: true } };
    await using host = testHost({ servers: { f: { ...fixture(), tools }, g: fixture() } });
    for (const [selection, name] of [
      [f, "echo"],
      [selectionOf(["f", "g"]), "f__echo"],
    ] as const) {
      expect(textIn(await callTool(host, selection, name, { text: "x" }))).toContain("was not called");
      const outcome = await host.call(invocationOf(selection, name, { text: "x" }, approved), NEVER);
      expect(textIn(outcome)).toBe("x");
    }
    expect(textIn(await callTool(host, selectionOf(["f", "g"]), "g__echo", { text: "y" }))).toBe("y");
  });

  test("does not run unless it was approved, also when a request names the server by its URL", async () => {
    await using web = await startHttpFixture();
    const tools = { "*": { approval: true } };
    await using host = testHost({
      servers: { web: { url: web.url, headers: {}, tools } },
      allowPrivateAddresses: true,
    });
    const byUrl = selectionOf([`${web.url}?from=request`]);
    expect(textIn(await callTool(host, byUrl, "echo", { text: "x" }))).toContain("was not called");
    expect(web.requests).not.toContain("POST tools/call");
  });
});
