import { functionTool, type McpServerConfig } from "@baton/core";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { checkSelection, usableServers } from "./check-selection.ts";
import { lookUpServer, type ServerSources } from "./server-lookup.ts";
import { SERVER_PRESETS } from "./server-presets.ts";

const add = functionTool({ name: "add", description: "", parameters: z.object({}), run: () => 0 });
const sources = (over: Partial<ServerSources> = {}) => ({
  servers: {},
  functions: [add],
  env: {},
  allowPrivateAddresses: false,
  ...over,
});
const check = (names: readonly string[], over: Partial<ServerSources> = {}) =>
  checkSelection({ servers: names, functions: [] }, sources(over)).map(
    ({ name, message }) => `${name} ${message}`,
  );

function endpointOf(name: string, over: Partial<ServerSources> = {}) {
  const found = lookUpServer(name, sources(over));
  if (found.kind === "problem") throw new Error(found.problem.message);
  return found.server.endpoint;
}

describe("presets", () => {
  test("say which key they need, and where it is had", () => {
    expect(check(Object.keys(SERVER_PRESETS))).toEqual([
      "tsion/exa needs a key: set EXA_API_KEY (from https://dashboard.exa.ai/api-keys)",
      "tsion/brave-search-mcp needs a key: set BRAVE_API_KEY (from https://brave.com/search/api)",
    ]);
    expect(checkSelection({ servers: ["tsion/exa"], functions: [] }, sources())[0]?.missing).toEqual([
      "EXA_API_KEY",
    ]);
  });

  test("an empty variable is no key", () => {
    expect(check(["tsion/exa"], { env: { EXA_API_KEY: "" } })).toHaveLength(1);
  });

  test("are complete with their keys", () => {
    const env = { EXA_API_KEY: "exa-1", BRAVE_API_KEY: "brave-1", PATH: "/bin", OTHER_SECRET: "x" };
    expect(check(Object.keys(SERVER_PRESETS), { env })).toEqual([]);
    expect(endpointOf("tsion/exa", { env })).toMatchObject({
      kind: "http",
      url: new URL("https://mcp.exa.ai/mcp"),
      headers: { "x-api-key": "exa-1" },
      guarded: false,
    });
    expect(endpointOf("tsion/brave-search-mcp", { env })).toMatchObject({
      kind: "stdio",
      command: "npx",
      // Nothing of our own environment but what programs need.
      env: { BRAVE_API_KEY: "brave-1", PATH: "/bin" },
    });
  });

  test("give way to an entry of the same name", () => {
    const own: McpServerConfig = { command: "my-exa", args: [], env: {} };
    expect(endpointOf("tsion/exa", { servers: { "tsion/exa": own } })).toMatchObject({ command: "my-exa" });
  });
});

/* biome-ignore-start lint/suspicious/noTemplateCurlyInString: placeholders of the configuration. */
describe("entries", () => {
  const entry: McpServerConfig = {
    command: "${BIN:-node}",
    args: ["--token=${TOKEN}", "$HOME stays"],
    env: { URL: "https://${HOST}/" },
    cwd: "${DIR}",
  };

  test("take variables from the environment, with fallbacks", () => {
    const env = { TOKEN: "t-1", HOST: "h", DIR: "/d" };
    expect(endpointOf("own", { servers: { own: entry }, env })).toEqual({
      kind: "stdio",
      command: "node",
      args: ["--token=t-1", "$HOME stays"],
      env: { URL: "https://h/" },
      cwd: "/d",
    });
  });

  test("say which variables are missing", () => {
    expect(check(["own"], { servers: { own: entry }, env: { HOST: "h" } })).toEqual([
      "own needs TOKEN and DIR, which the environment does not have",
    ]);
  });

  test("may put variables into a URL", () => {
    const servers = { own: { url: "https://a.test/mcp?key=${KEY}", headers: {} } };
    expect(endpointOf("own", { servers, env: { KEY: "k" } })).toMatchObject({
      url: new URL("https://a.test/mcp?key=k"),
    });
  });

  test("a name that every object has is not an entry", () => {
    expect(check(["constructor"])[0]).toMatch(/^constructor is no MCP server that is known here/);
  });
});
/* biome-ignore-end lint/suspicious/noTemplateCurlyInString: placeholders of the configuration. */

describe("names that are not known", () => {
  test("say how to add them, and what may have been meant", () => {
    expect(check(["tsion/exxa"])).toEqual([
      'tsion/exxa is no MCP server that is known here: add it to the configuration, as in {"mcpServers":{"tsion/exxa":{"command":"npx","args":["-y","…"]}}}, or give an https URL. Did you mean tsion/exa?',
    ]);
  });

  test("functions too", () => {
    const problems = checkSelection({ servers: [], functions: ["add", "ad"] }, sources());
    expect(problems).toEqual([
      {
        name: "ad",
        message:
          "is not a tool of the configuration: add a function of that name under tools. Did you mean add?",
        missing: [],
      },
    ]);
  });
});

describe("URLs", () => {
  test("are taken over https alone, to public addresses alone, without credentials", () => {
    expect(check(["https://mcp.example.com/mcp"])).toEqual([]);
    expect(
      check(["http://mcp.example.com/mcp", "https://127.0.0.1/", "https://[::1]/", "https://me:pw@a.test/"]),
    ).toEqual([
      "http://mcp.example.com/mcp cannot be used: http://mcp.example.com was refused: the URL must be https",
      "https://127.0.0.1/ cannot be used: 127.0.0.1 was refused: its address is not on the public internet",
      "https://[::1]/ cannot be used: ::1 was refused: its address is not on the public internet",
      "https://a.test/ carries a user name or password: configure the server under mcpServers instead",
    ]);
    expect(check(["https://"])).toEqual(["https:// is not a valid URL"]);
  });

  test("may be private when the operator says so", () => {
    expect(check(["http://127.0.0.1:3000/mcp"], { allowPrivateAddresses: true })).toEqual([]);
  });

  test("never start a process and are always guarded", () => {
    expect(endpointOf("https://mcp.example.com/mcp#x")).toEqual({
      kind: "http",
      url: new URL("https://mcp.example.com/mcp"),
      headers: {},
      guarded: true,
    });
  });
});

test("usable servers are the entries and presets that lack nothing", () => {
  const servers = { mine: { command: "x", args: [], env: {} } };
  expect(usableServers(sources({ servers, env: { EXA_API_KEY: "k" } }))).toEqual([
    "mine",
    "tsion/exa",
    "windsornguyen/open-meteo-mcp",
  ]);
});
