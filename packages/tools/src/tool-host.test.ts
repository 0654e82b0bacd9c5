/** The host over several servers at once: names, problems, and that another process reads a name alike. */
import { functionTool } from "@baton/core";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { callTool, fixture, NEVER, NO_WAIT, selectionOf, testHost, textIn, until } from "./testing/hosts.ts";

const servers = { "acme/left": fixture(), right: fixture() };
const both = selectionOf(["right", "acme/left"]);
const namesIn = (tools: readonly { readonly name: string }[]) => tools.map(({ name }) => name);

describe("several servers", () => {
  test("with the same tools are told apart by their aliases, and each is called by its own", async () => {
    await using host = testHost({ servers });
    await callTool(host, selectionOf(["right"]), "add_tool", { name: "only_right" });
    const { tools, problems } = await host.list(both, NEVER);
    expect(problems).toEqual([]);
    expect(namesIn(tools)).toContain("acme_left__echo");
    expect(namesIn(tools)).toContain("right__echo");
    expect(namesIn(tools)).not.toContain("echo");
    expect(namesIn(tools)).toEqual([...namesIn(tools)].sort());
    await until("the list of the right one is new", async () =>
      namesIn((await host.list(both, NEVER)).tools).includes("only_right"),
    );
    const called = await callTool(host, both, "only_right");
    expect([textIn(called), called.server]).toEqual(["called only_right", "right"]);
    expect((await callTool(host, both, "acme_left__echo", { text: "?" })).server).toBe("acme/left");
    expect((await callTool(host, both, "no_such_tool")).server).toBeUndefined();
    await callTool(host, both, "right__add_tool", { name: "more" });
    await until("right alone has more", async () =>
      (await host.list(both, NEVER)).tools.some(
        ({ name, origin }) => name === "more" && origin.kind === "mcp" && origin.server === "right",
      ),
    );
  });

  test("have the same names in another process, whatever the order of the selection", async () => {
    await using one = testHost({ servers });
    await using other = testHost({ servers });
    await one.list(selectionOf(["acme/left"]), NEVER);
    const first = await one.list(both, NEVER);
    const second = await other.list(selectionOf(["acme/left", "right", "right"]), NEVER);
    expect(second).toEqual(first);
    // A call that one process was told to make, made by the other without ever listing.
    await using third = testHost({ servers });
    expect(textIn(await callTool(third, both, "right__echo", { text: "resumed" }))).toBe("resumed");
  });

  test("of which one is down give the tools of the others, with a problem", async () => {
    await using host = testHost({ servers: { ...servers, broken: fixture("--fail", "no licence") } });
    const { tools, problems } = await host.list(selectionOf(["right", "broken", "unheard/of"]), NEVER);
    expect(namesIn(tools)).toContain("echo");
    expect(problems).toEqual([
      { server: "broken", message: "exited with code 1; it said: no licence" },
      { server: "unheard/of", message: expect.stringContaining("add it to the configuration") },
    ]);
  });

  test("keep their names while one of them is down", async () => {
    let now = 0;
    await using host = testHost({ servers, clock: { now: () => now, delay: NO_WAIT } });
    const before = await host.list(both, NEVER);
    await callTool(host, both, "acme_left__die");
    await callTool(host, both, "acme_left__die");
    const during = await host.list(both, NEVER);
    expect(during.problems).toHaveLength(1);
    expect(namesIn(during.tools)).toEqual(namesIn(before.tools).filter((name) => name.startsWith("right__")));
    expect(textIn(await callTool(host, both, "acme_left__echo", {}))).toContain(
      "acme/left: exited with code 3",
    );
    now = 60_000;
    expect(namesIn((await host.list(both, NEVER)).tools)).toEqual(namesIn(before.tools));
  });

  test("a name that a model was given goes on meaning its tool after another server begins to use it", async () => {
    await using host = testHost({ servers });
    await callTool(host, selectionOf(["acme/left"]), "add_tool", { name: "report" });
    await until("report is listed by its own name", async () =>
      namesIn((await host.list(both, NEVER)).tools).includes("report"),
    );
    await callTool(host, both, "right__add_tool", { name: "report" });
    await until("both are listed", async () =>
      namesIn((await host.list(both, NEVER)).tools).includes("right__report"),
    );
    expect(textIn(await callTool(host, both, "report"))).toBe("called report");
    const { tools } = await host.list(both, NEVER);
    expect(namesIn(tools)).toContain("acme_left__report");
    expect(namesIn(tools)).not.toContain("report");
  });
});

test("a name that a model was given is not given to another tool when the first is gone", async () => {
  await using host = testHost({ servers });
  const listed = async () => namesIn((await host.list(both, NEVER)).tools);
  await callTool(host, both, "acme_left__add_tool", { name: "report" });
  await until("report is listed", async () => (await listed()).includes("report"));
  await callTool(host, both, "acme_left__remove_tool", { name: "report" });
  await until("report is gone", async () => !(await listed()).includes("report"));
  await callTool(host, both, "right__add_tool", { name: "report" });
  await until("the other one is listed", async () => (await listed()).includes("right__report"));
  expect(await listed()).not.toContain("report");
});

describe("functions among servers", () => {
  const echo = functionTool({
    name: "echo",
    description: "",
    parameters: z.object({}),
    run: () => "the function",
  });

  test("keep their name, the server's tool gets an alias", async () => {
    await using host = testHost({ servers, functions: [echo] });
    const selection = selectionOf(["right"], ["echo"]);
    expect(textIn(await callTool(host, selection, "echo"))).toBe("the function");
    expect(textIn(await callTool(host, selection, "right__echo", { text: "the server" }))).toBe("the server");
  });

  test("that a selection does not name are not in it", async () => {
    await using host = testHost({ functions: [echo] });
    const outcome = await callTool(host, selectionOf([]), "echo");
    expect(textIn(outcome)).toBe('There is no tool named "echo". There are no tools at all.');
    const { problems } = await host.list(selectionOf([], ["other"]), NEVER);
    expect(problems).toEqual([{ server: "other", message: expect.stringContaining("is not a tool") }]);
  });
});

describe("an unknown tool", () => {
  test("is answered with the names that are near", async () => {
    await using host = testHost({ servers });
    const outcome = await callTool(host, selectionOf(["right"]), "right.add-tool");
    expect(outcome.isError).toBe(true);
    expect(textIn(outcome)).toContain("Did you mean add_tool?");
  });

  test("is answered with all names when none is near, and with what is down", async () => {
    await using host = testHost({ servers: { ...servers, broken: fixture("--fail", "no licence") } });
    const text = textIn(await callTool(host, selectionOf(["right", "broken"]), "zzzzzzzzzz"));
    expect(text).toContain("There are: add_tool, block, die, die_until,");
    expect(text).toContain("broken is not available: exited with code 1; it said: no licence");
  });
});

test("no value of a server's environment shows in what is said about it", async () => {
  const problems: string[] = [];
  const { args, ...rest } = { args: [], ...fixture("--fail", "cannot log in with pa55-w0rd-of-mine") };
  await using host = testHost({
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a placeholder of the configuration.
    servers: { f: { ...rest, args, command: process.execPath, env: { LOGIN: "${LOGIN}" } } },
    env: { LOGIN: "pa55-w0rd-of-mine" },
    onProblem: ({ message }) => problems.push(message),
  });
  const listed = await host.list(selectionOf(["f"]), NEVER);
  expect(listed.problems[0]?.message).toContain("cannot log in with [redacted]");
  expect(JSON.stringify([listed, problems])).not.toContain("pa55");
});

test("a list that is known costs no time to ask for again", async () => {
  await using host = testHost({ servers });
  await host.list(both, NEVER);
  const start = performance.now();
  for (let index = 0; index < 5_000; index += 1) await host.list(both, NEVER);
  expect(performance.now() - start).toBeLessThan(1_000);
});
