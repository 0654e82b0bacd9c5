/**
 * The operator's own functions as tools. Arguments are parsed by the function's schema before it runs; what it
 * throws is told to the model. One that ignores its signal cannot be stopped, only no longer waited for.
 */
import {
  abortable,
  BatonError,
  describeIssues,
  type FunctionTool,
  TIMER_MS_MAX,
  type ToolInvocation,
  type ToolOutcome,
} from "@baton/core";
import { z } from "zod";
import { TOOL_NAME } from "./tool-names.ts";
import { type ResultBounds, textOutcome } from "./tool-result.ts";

export interface PreparedFunction {
  readonly tool: FunctionTool;
  readonly inputSchema: Readonly<Record<string, unknown>>;
}

/** Checks the functions once; throws `invalid_config` for a bad or double name or a schema that cannot be told. */
export function prepareFunctions(functions: readonly FunctionTool[]): ReadonlyMap<string, PreparedFunction> {
  const prepared = new Map<string, PreparedFunction>();
  for (const tool of functions) {
    if (!TOOL_NAME.test(tool.name)) {
      throw new BatonError(
        "invalid_config",
        `the tool name ${JSON.stringify(tool.name)} must be 1 to 64 of the characters a-z, A-Z, 0-9, _ and -`,
      );
    }
    if (prepared.has(tool.name)) throw new BatonError("invalid_config", `two tools are named ${tool.name}`);
    prepared.set(tool.name, { tool, inputSchema: jsonSchemaOf(tool) });
  }
  return prepared;
}

export async function callFunction(
  tool: FunctionTool,
  invocation: ToolInvocation,
  bounds: ResultBounds & { readonly timeoutMs: number },
  signal: AbortSignal,
): Promise<ToolOutcome> {
  const failed = (text: string) => textOutcome(text, true, bounds);
  const timeoutMs = Math.min(tool.timeoutMs ?? bounds.timeoutMs, TIMER_MS_MAX);
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(new Error(`timed out after ${timeoutMs} ms`)), timeoutMs);
  const stopped = AbortSignal.any([signal, stop.signal]);
  try {
    const result = await abortable(run(tool, invocation, stopped), stopped);
    return result.kind === "ran" ? textOutcome(textOf(result.value), false, bounds) : failed(result.why);
  } catch (error) {
    signal.throwIfAborted();
    if (stop.signal.aborted) return failed(lateText(tool, timeoutMs));
    return failed(`${tool.name} failed: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    clearTimeout(timer);
  }
}

function lateText({ name, readOnly, idempotent }: FunctionTool, timeoutMs: number): string {
  const late = `timed out after ${timeoutMs} ms`;
  if (readOnly || idempotent) return `${name} failed: ${late}`;
  return `${name}: outcome unknown: ${late}. The call may or may not have taken effect. Check before you call it again.`;
}

type Ran =
  | { readonly kind: "ran"; readonly value: unknown }
  | { readonly kind: "refused"; readonly why: string };

async function run(tool: FunctionTool, invocation: ToolInvocation, signal: AbortSignal): Promise<Ran> {
  const parsed = await tool.parameters.safeParseAsync(invocation.arguments);
  if (!parsed.success) {
    return { kind: "refused", why: `Invalid arguments for ${tool.name}: ${describeIssues(parsed.error)}` };
  }
  const { runId, callId, idempotencyKey } = invocation;
  return { kind: "ran", value: await tool.run(parsed.data, { runId, callId, idempotencyKey, signal }) };
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  return JSON.stringify(value) ?? "";
}

function jsonSchemaOf(tool: FunctionTool): Readonly<Record<string, unknown>> {
  try {
    // What a model writes is the schema's input; a type that JSON Schema lacks is left open and checked at the call.
    const { $schema: _dialect, ...schema } = z.toJSONSchema(tool.parameters, {
      io: "input",
      unrepresentable: "any",
    });
    return { ...schema, properties: schema.properties ?? {} };
  } catch (error) {
    throw new BatonError("invalid_config", `the parameters of the tool ${tool.name} have no JSON Schema`, {
      cause: error,
    });
  }
}
