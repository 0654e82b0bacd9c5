/** The life of sessions over stdio, against a server that misbehaves on request. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  callTool,
  fixture,
  isAlive,
  NEVER,
  NO_WAIT,
  selectionOf,
  testHost,
  textIn,
  until,
} from "./testing/hosts.ts";

const all = selectionOf(["f"]);

async function startsFile() {
  const folder = await mkdtemp(join(tmpdir(), "baton-tools-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, "starts");
  const pids = async () => {
    const text = await readFile(file, "utf8").catch(() => "");
    return text.split("\n").filter(Boolean).map(Number);
  };
  return { file, pids };
}

describe("sessions", () => {
  test("are opened once for all who need one at the same time, and used again", async () => {
    const { file, pids } = await startsFile();
    await using host = testHost({ servers: { f: fixture("--starts", file) } });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => callTool(host, all, "echo", { text: index })),
    );
    expect(answers.map(textIn)).toEqual(Array.from({ length: 20 }, (_, index) => String(index)));
    await host.list(all, NEVER);
    expect(await pids()).toHaveLength(1);
  });

  test("a server that dies during a call gives an error outcome with its last words, and the next call opens it anew", async () => {
    const { file, pids } = await startsFile();
    const problems: string[] = [];
    await using host = testHost({
      servers: { f: fixture("--starts", file) },
      onProblem: ({ server, message }) => problems.push(`${server}: ${message}`),
    });
    const died = await callTool(host, all, "die");
    expect(died.isError).toBe(true);
    expect(textIn(died)).toContain("exited with code 3; it said: the fixture dies");
    expect(problems).toEqual(["f: exited with code 3; it said: the fixture dies"]);
    expect(textIn(await callTool(host, all, "echo", { text: "again" }))).toBe("again");
    expect(await pids()).toHaveLength(2);
  });

  test("a server that dies while it is being written to harms nobody", async () => {
    await using host = testHost({ servers: { f: fixture() } });
    await host.list(all, NEVER);
    const calls = [callTool(host, all, "die"), callTool(host, all, "echo", { text: "x".repeat(5_000_000) })];
    const outcomes = await Promise.all(calls);
    // What only reads is asked for again.
    expect(outcomes.map(({ isError }) => isError)).toEqual([true, false]);
    expect(textIn(await callTool(host, all, "echo", { text: "again" }))).toBe("again");
  });

  test("a server that dies again and again is left alone for a while", async () => {
    const { file, pids } = await startsFile();
    let now = 0;
    await using host = testHost({
      servers: { f: fixture("--starts", file) },
      clock: { now: () => now, delay: NO_WAIT },
    });
    await callTool(host, all, "die");
    await callTool(host, all, "die");
    const refused = await callTool(host, all, "echo", { text: "x" });
    expect(textIn(refused)).toContain("it is tried again in 2 s");
    expect(await pids()).toHaveLength(2);
    now = 2_001;
    expect(textIn(await callTool(host, all, "echo", { text: "x" }))).toBe("x");
  });

  test("a server that cannot start is tried once by a thousand runs, and again after a rest that grows", async () => {
    const { file, pids } = await startsFile();
    let now = 0;
    await using host = testHost({
      servers: { f: fixture("--starts", file, "--fail", "no licence") },
      clock: { now: () => now },
    });
    const runs = await Promise.all(Array.from({ length: 1_000 }, () => host.list(all, NEVER)));
    for (const { tools, problems } of runs) {
      expect(tools).toEqual([]);
      expect(problems).toEqual([{ server: "f", message: "exited with code 1; it said: no licence" }]);
    }
    expect(await pids()).toHaveLength(1);
    const resting = await host.list(all, NEVER);
    expect(resting.problems[0]?.message).toMatch(/no licence; it is tried again in 1 s$/);
    now = 1_001;
    await host.list(all, NEVER);
    now = 2_500;
    await host.list(all, NEVER);
    expect(await pids()).toHaveLength(2);
    now = 3_002;
    await host.list(all, NEVER);
    expect(await pids()).toHaveLength(3);
  });

  test("a command that does not exist is told by name", async () => {
    await using host = testHost({
      servers: { f: { command: "no-such-program-of-baton", args: [], env: {} } },
    });
    const { problems } = await host.list(all, NEVER);
    expect(problems[0]?.message).toContain("the command no-such-program-of-baton was not found");
  });

  test("a program that never shakes hands is given up after the connect timeout, and is gone", async () => {
    await using host = testHost({
      servers: {
        f: {
          command: process.execPath,
          args: ["-e", "setInterval(() => {}, 1e3); console.error(process.pid)"],
          env: {},
        },
      },
      limits: { connectTimeoutMs: 600 },
    });
    const { problems } = await host.list(all, NEVER);
    const [, pid] = /did not answer within 600 ms; it said: (\d+)/.exec(problems[0]?.message ?? "") ?? [];
    expect(pid).toBeDefined();
    expect(isAlive(Number(pid))).toBe(false);
  });

  test("lines that are no messages do no harm", async () => {
    await using host = testHost({ servers: { f: fixture("--noise", "Welcome!") } });
    expect(textIn(await callTool(host, all, "echo", { text: "fine" }))).toBe("fine");
  });
});

describe("lists", () => {
  test("are read page by page, once, and again after the server says that they changed", async () => {
    await using host = testHost({ servers: { f: fixture() } });
    const before = await host.list(all, NEVER);
    expect(before.tools.map(({ name }) => name)).toEqual([
      "add_tool",
      "block",
      "die",
      "die_until",
      "echo",
      "fail",
      "hang",
      "hung",
      "meta",
      "remove_tool",
      "talk",
      "throw",
    ]);
    expect((await host.list(all, NEVER)).tools).toBe(before.tools);
    await callTool(host, all, "add_tool", { name: "extra" });
    await until("the new tool is listed", async () =>
      (await host.list(all, NEVER)).tools.some(({ name }) => name === "extra"),
    );
    expect(textIn(await callTool(host, all, "extra"))).toBe("called extra");
  });

  test("carry the hints that decide about markers", async () => {
    await using host = testHost({ servers: { f: fixture() } });
    const { tools } = await host.list(all, NEVER);
    const flags = (name: string) => {
      const tool = tools.find((each) => each.name === name);
      return [tool?.readOnly, tool?.idempotent];
    };
    expect(flags("echo")).toEqual([true, false]);
    expect(flags("hung")).toEqual([false, true]);
    expect(flags("die")).toEqual([false, false]);
  });
});

describe("calls", () => {
  test("carry the idempotency key and the run", async () => {
    await using host = testHost({ servers: { f: fixture() } });
    expect(JSON.parse(textIn(await callTool(host, all, "meta")))).toEqual({
      "baton/idempotencyKey": "r_0_test/call_1",
      "baton/runId": "r_0_test",
    });
  });

  test("that take too long become an error outcome, and the server is told", async () => {
    await using host = testHost({ servers: { f: { ...fixture(), timeoutMs: 150 } } });
    const late = await callTool(host, all, "hang");
    expect(late.isError).toBe(true);
    expect(textIn(late)).toContain("timed out after 150 ms");
    await until("the cancellation arrived", async () => {
      const heard = textIn(await callTool(host, all, "hung"));
      return heard === JSON.stringify({ hanging: 1, cancelled: ["timed out after 150 ms"] });
    });
  });

  test("that are aborted throw the signal's reason, and the server is told", async () => {
    await using host = testHost({ servers: { f: fixture() } });
    await host.list(all, NEVER);
    const controller = new AbortController();
    const reason = new Error("fenced");
    const call = callTool(host, all, "hang", {}, controller.signal);
    const hung = async () => textIn(await callTool(host, all, "hung"));
    await until("the call runs", async () => (await hung()).includes('"hanging":1'));
    controller.abort(reason);
    await expect(call).rejects.toBe(reason);
    await until("the cancellation arrived", async () => (await hung()).includes("the caller gave up"));
    await expect(callTool(host, all, "echo", {}, controller.signal)).rejects.toBe(reason);
    await expect(host.list(all, controller.signal)).rejects.toBe(reason);
  });

  test("one run that gives up while a server starts does not take it from the others", async () => {
    await using host = testHost({ servers: { f: fixture() } });
    const controller = new AbortController();
    const first = host.list(all, controller.signal);
    const second = host.list(all, NEVER);
    controller.abort(new Error("gone"));
    await expect(first).rejects.toThrow("gone");
    expect((await second).tools.length).toBeGreaterThan(0);
  });

  test("a server that blocks for good is ended after a call timed out, and opened anew", async () => {
    const { file, pids } = await startsFile();
    await using host = testHost({
      servers: { f: fixture("--starts", file) },
      limits: { toolTimeoutMs: 200 },
    });
    expect(textIn(await callTool(host, all, "block"))).toContain("timed out after 200 ms");
    const [blocked = 0] = await pids();
    await until("the blocked process is gone", () => !isAlive(blocked), 15_000);
    expect(textIn(await callTool(host, all, "echo", { text: "alive" }))).toBe("alive");
  }, 30_000);

  test("results are cut to the bound, and the cut is told", async () => {
    await using host = testHost({ servers: { f: fixture() }, limits: { toolResultCharsMax: 1_000 } });
    const text = textIn(await callTool(host, all, "talk", { chars: 5_000 }));
    expect(text.length).toBeLessThanOrEqual(1_000);
    expect(text).toMatch(/^x+\n\[Cut here: \d+ of 5000 characters are left out\.\]$/);
  });

  test("a result that is longer than any message may be ends the session, and says why", async () => {
    await using host = testHost({ servers: { f: fixture() } });
    const outcome = await callTool(host, all, "talk", { chars: 40_000_000 });
    expect(outcome.isError).toBe(true);
    expect(textIn(outcome)).toContain("sent a message of more than 33554432 bytes");
  });
});

describe("close", () => {
  test("leaves no process behind, not even one that will not go", async () => {
    const { file, pids } = await startsFile();
    const host = testHost({ servers: { f: fixture("--starts", file, "--stubborn") } });
    await host.list(all, NEVER);
    const [pid = 0] = await pids();
    expect(isAlive(pid)).toBe(true);
    await host.close();
    expect(isAlive(pid)).toBe(false);
  });

  test("reaches the server behind a launcher", async () => {
    const { file, pids } = await startsFile();
    const { command, args } = { args: [], command: "", ...fixture("--starts", file, "--stubborn") };
    const quoted = [command, ...args].map((word) => `'${word}'`).join(" ");
    const host = testHost({
      servers: { f: { command: "/bin/sh", args: ["-c", `${quoted}; true`], env: {} } },
    });
    await host.list(all, NEVER);
    const [pid = 0] = await pids();
    await host.close();
    // Its parent is gone too: it stands in the process table until init has reaped it.
    await until("the killed server is reaped", () => !isAlive(pid));
  });

  test("during a connect and during a call ends both", async () => {
    const { file, pids } = await startsFile();
    const host = testHost({ servers: { f: fixture("--starts", file), g: fixture("--starts", file) } });
    await host.list(all, NEVER);
    const call = callTool(host, all, "hang");
    const listing = host.list(selectionOf(["g"]), NEVER);
    await until("both have started", async () => (await pids()).length === 2);
    await host.close();
    expect((await call).isError).toBe(true);
    await listing;
    for (const pid of await pids()) expect(isAlive(pid)).toBe(false);
    expect(textIn(await callTool(host, all, "echo"))).toContain("closed");
  });
});
