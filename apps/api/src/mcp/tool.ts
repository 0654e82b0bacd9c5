/**
 * A tool that Baton offers over MCP: what an assistant reads of it, what it takes and gives as zod schemas, and what it
 * does with the caller's runs. It knows nothing of MCP, of transports, or of how errors are told.
 */
import type { RunService } from "@baton/producer";
import type { z } from "zod";
import type { Scope } from "../access/principal.ts";

/** What a tool has while it is called. */
export interface ToolCall {
  /** The runs that the caller may see. */
  readonly runs: RunService;
  /** Aborted when the caller cancels the call or goes away, and when this process stops. */
  readonly signal: AbortSignal;
  /** Aborted when this process stops: for what must not be left half-done because a caller went away. */
  readonly stopping: AbortSignal;
  /** Tells the caller how far a long call is; undefined when it did not ask for that. */
  readonly progress: ((message: string) => Promise<void>) | undefined;
}

/** MCP's hints to whoever decides which tools an assistant may use without a person's word. */
export interface ToolHints {
  readonly readOnlyHint: boolean;
  readonly destructiveHint: boolean;
  readonly idempotentHint: boolean;
  /** It reaches what is outside of Baton: models, and the tools that they are given. */
  readonly openWorldHint: boolean;
}

interface ToolFace {
  readonly name: string;
  readonly title: string;
  /** For the assistant: when to use it, what comes of it, what to do next. */
  readonly description: string;
  /** What the caller's key must be allowed to. */
  readonly scope: Scope;
  readonly hints: ToolHints;
}

export interface ToolDefinition<Input extends z.ZodObject, Output extends z.ZodObject> extends ToolFace {
  readonly input: Input;
  readonly output: Output;
  /** How long it may wait on purpose, in milliseconds; absent: it answers at once. */
  readonly waitsMs?: (args: z.infer<Input>) => number;
  readonly run: (args: z.infer<Input>, call: ToolCall) => Promise<z.input<Output>>;
}

/** A tool whose arguments are checked by the tool itself, so that tools of all shapes stand in one list. */
export interface McpTool extends ToolFace {
  readonly input: z.ZodObject;
  readonly output: z.ZodObject;
  readonly waitsMs: ((args: unknown) => number) | undefined;
  readonly run: (args: unknown, call: ToolCall) => Promise<Record<string, unknown>>;
}

export function defineTool<Input extends z.ZodObject, Output extends z.ZodObject>(
  definition: ToolDefinition<Input, Output>,
): McpTool {
  const { input, output, waitsMs, run } = definition;
  return {
    ...definition,
    waitsMs: waitsMs && ((args) => waitsMs(input.parse(args))),
    // Parsed on the way out too: what the schema does not name is not told.
    run: async (args, call) => output.parse(await run(input.parse(args), call)),
  };
}

export const READS: ToolHints = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
};
