import { expect, test } from "vitest";
import { z } from "zod";
import { functionTool, parseConfig } from "./config.ts";
import { capabilitiesOf, needsOf } from "./needs.ts";
import { parseRunSpec } from "./spec.ts";

test("a run needs the servers, functions and policy that it names, once each and sorted", () => {
  const spec = parseRunSpec({
    input: "?",
    model: "openai/gpt",
    mcp_servers: ["docs", "docs", "https://example.com/mcp", "HTTP://example.com"],
    tools: ["lookup", { type: "function", function: { name: "mine" } }],
    policy: "careful",
  });
  expect(needsOf(spec)).toEqual(["function:lookup", "policy:careful", "server:docs"]);
});

test("a pipeline needs what its phases name", () => {
  const phases = [
    { model: "openai/gpt", mcp_servers: ["docs"] },
    { model: "anthropic/claude", tools: ["lookup"] },
  ];
  expect(needsOf(parseRunSpec({ input: "?", phases }))).toEqual(["function:lookup", "server:docs"]);
});

test("a run that names nothing needs nothing", () => {
  expect(needsOf(parseRunSpec({ input: "?", model: "openai/gpt" }))).toEqual([]);
});

test("a worker has what it is configured with, in the words of needs", () => {
  const config = parseConfig(
    {
      mcpServers: { docs: { command: "docs-server" }, down: { url: "https://example.com" } },
      tools: [functionTool({ name: "lookup", description: "", parameters: z.object({}), run: () => "" })],
      policies: { careful: [] },
    },
    "test",
  );
  expect(capabilitiesOf(config, ["docs"])).toEqual(
    new Set(["server:docs", "function:lookup", "policy:careful"]),
  );
});
