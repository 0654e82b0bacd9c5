/**
 * What the runs of the crash tests do. A run carries its orders as JSON in its input, so that every process that
 * ever holds it, and every model that it meets, knows them: which tools to call first, how slow the models are,
 * and at which step the process that holds it comes to an end.
 */
import { setTimeout as delay } from "node:timers/promises";
import {
  type FunctionTool,
  functionTool,
  type Item,
  type ModelReply,
  type ModelRequest,
  modelIdSchema,
  NO_USAGE,
  type Part,
  splitModelId,
  textOf,
} from "@baton/core";
import { z } from "zod";
import { call, text } from "../support/scripted-model.ts";

/** The models of the crash tests, A and B; every worker process serves both. */
export const POOLS = [modelIdSchema.parse("crash/a"), modelIdSchema.parse("crash/b")] as const;

/** The steps of a run at which a process can be lost, in the order of the flow. */
export const STEPS = [
  /** The run was claimed. */
  "claimed",
  /** A model is in the middle of its reply. */
  "calling",
  /** A reply with tool calls has come and is not written. */
  "replied",
  /** It was written, and no tool has begun. */
  "written",
  /** A tool runs. */
  "in_tool",
  /** The first tool result was written. */
  "one_result",
  /** The reply that ends the phase has come, and its commit was not sent. */
  "deciding",
  /** A handoff was committed, and its job is not in the queue. */
  "committed",
  /** The job is in the queue, and the one that made it is not finished. */
  "enqueued",
  /** The end of the run was committed, and its job is not finished. */
  "ended",
] as const;
export type Step = (typeof STEPS)[number];

export const ordersSchema = z.object({
  /** Name of the run in the journal. */
  mark: z.string(),
  /** Called all at once by the first turn of each phase of model A; B calls none. */
  tools: z.array(z.enum(["look", "peek", "pay"])),
  /** How long each model call takes, in milliseconds. */
  latencyMs: z.int(),
  /** What the first process to come to the step does to itself. */
  crash: z.object({ step: z.enum(STEPS), signal: z.enum(["SIGKILL", "SIGSTOP"]) }).optional(),
});
export type Orders = z.infer<typeof ordersSchema>;

/** The orders of a run, out of the first item of its conversation. */
export function ordersOf(items: readonly Item[]): Orders {
  const [first] = items;
  if (first === undefined) throw new Error("a run without items");
  return ordersSchema.parse(JSON.parse(textOf(first)));
}

/** Marks a call with the reply that came before it: a reply tells which conversation its model saw. */
export function nonceAfter(items: readonly Item[], call: string): string {
  const before = items.findLast((item) => item.role === "assistant");
  return `${call} after ${before === undefined ? "the input" : textOf(before).split(" ")[0]}`;
}

/**
 * What the model of `request` says: first it calls the tools, then it hands over if it can, else it ends. The text
 * holds `nonce`, so that a reply in the log tells which call it was bought by.
 */
export function replyTo(request: ModelRequest, orders: Orders, nonce: string): ModelReply {
  const parts: Part[] = [text(nonce)];
  const before = request.items.findLast((item) => item.role !== "tool" && item.role !== "control");
  const isFirst = before?.role === "user" && request.model === POOLS[0];
  const transfer = request.tools.find((tool) => tool.origin.kind === "transfer")?.name;
  const wasHandedOver = request.items.some((item) => item.parts.some((part) => part.type === "handoff"));
  if (isFirst && orders.tools.length > 0) {
    for (const tool of orders.tools) parts.push(call(tool, {}, `${tool}_${request.items.length}`));
  } else if (transfer !== undefined && !wasHandedOver) {
    parts.push(call(transfer, { reason: "done here", brief: "end it" }));
  }
  return {
    parts,
    stopReason: parts.length > 1 ? "tool_use" : "end",
    usage: { ...NO_USAGE, inputTokens: 10, outputTokens: 5 },
    origin: {
      provider: splitModelId(request.model).provider,
      api: "openai-chat",
      model: request.model,
    },
  };
}

/** How long `peek` takes: two results of a turn are never written at one moment. */
const PEEK_MS = 300;

/** `look` and `peek` only read, `pay` has an effect; `onRun` hears of each call before anything is returned. */
export function toolsOf(onRun: (callId: string, runId: string) => void): readonly FunctionTool[] {
  const tool = (name: string, readOnly: boolean, ms: number): FunctionTool =>
    functionTool({
      name,
      description: `to ${name}`,
      parameters: z.object({}),
      readOnly,
      run: async (_args, { runId, callId, signal }) => {
        onRun(callId, runId);
        await delay(ms, undefined, { signal });
        return `${name} is done`;
      },
    });
  return [tool("look", true, 0), tool("peek", true, PEEK_MS), tool("pay", false, 0)];
}
