/** What the tests of the host share: hosts with settings for tests, calls, and waiting for a condition. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { McpServerConfig, ToolHost, ToolInvocation, ToolOutcome, ToolSelection } from "@baton/core";
import { createToolHost, type ToolHostOptions } from "../tool-host.ts";

export const NEVER = new AbortController().signal;

/** For clocks of tests that are not about the time between two tries. */
export const NO_WAIT = async () => {};

export interface TestHostOptions extends Partial<Omit<ToolHostOptions, "limits">> {
  readonly limits?: Partial<ToolHostOptions["limits"]>;
}

export function testHost({ limits, ...options }: TestHostOptions = {}) {
  return createToolHost({
    servers: {},
    functions: [],
    env: {},
    allowPrivateAddresses: false,
    ...options,
    limits: {
      toolTimeoutMs: 8_000,
      toolResultCharsMax: 10_000,
      connectTimeoutMs: 8_000,
      closeGraceMs: 300,
      ...limits,
    },
  });
}

/** The fixture over stdio, run by this Node. */
export function fixture(...flags: readonly string[]): McpServerConfig {
  const program = fileURLToPath(new URL("./fixture-server.ts", import.meta.url));
  return { type: "stdio", command: process.execPath, args: [program, ...flags], env: {} };
}

/** The program of an installed package, without npx. */
export function installedServer(packageName: string, ...args: readonly string[]): McpServerConfig {
  const root = createRequire(import.meta.url).resolve(`${packageName}/package.json`);
  return {
    type: "stdio",
    command: process.execPath,
    args: [root.replace(/package\.json$/, "dist/index.js"), ...args],
    env: {},
  };
}

export function selectionOf(servers: readonly string[], functions: readonly string[] = []): ToolSelection {
  return { servers, functions };
}

export async function callTool(
  host: ToolHost,
  selection: ToolSelection,
  name: string,
  args: Readonly<Record<string, unknown>> = {},
  signal: AbortSignal = NEVER,
): Promise<ToolOutcome> {
  return host.call(invocationOf(selection, name, args), signal);
}

export function invocationOf(
  selection: ToolSelection,
  name: string,
  args: Readonly<Record<string, unknown>> = {},
  extra: Partial<ToolInvocation> = {},
): ToolInvocation {
  return {
    name,
    arguments: args,
    selection,
    runId: "r_0_test",
    callId: "call_1",
    idempotencyKey: "r_0_test/call_1",
    approved: false,
    ...extra,
  };
}

/** The text of an outcome. */
export function textIn(outcome: ToolOutcome): string {
  return outcome.content.map((part) => (part.type === "text" ? part.text : `[${part.mediaType}]`)).join("\n");
}

/** Waits for a condition with a deadline. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  deadlineMs = 8_000,
): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await delay(10);
  }
}

/** Whether a process runs. One that has ended but that nobody has waited for does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== "linux" || !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
