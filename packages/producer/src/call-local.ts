/**
 * Calls a tool of this process. What the function does wrong is told to the model as an error result, never
 * thrown; nobody waits for a function longer than the run does.
 */
import { abortable, type FunctionContext, type ToolCallPart } from "@baton/core";
import type { LocalTool } from "./local-tools.ts";

export interface LocalOutcome {
  readonly call: ToolCallPart;
  /** What the function returned, or the sentence that the model is told in its place. */
  readonly result: unknown;
  readonly content: string;
  readonly isError: boolean;
}

/**
 * Calls a tool. What it throws, a wrong argument or its timeout becomes an error for the model; an abort by
 * `signal` throws the signal's reason.
 */
export async function callLocal(
  tool: LocalTool,
  call: ToolCallPart,
  runId: string,
  charsMax: number,
  signal: AbortSignal,
): Promise<LocalOutcome> {
  if (call.arguments.kind === "invalid") {
    return failure(call, "The arguments were not valid JSON. Call the tool again with a JSON object.");
  }
  const { callId } = call;
  const deadline = tool.timeoutMs === undefined ? undefined : AbortSignal.timeout(tool.timeoutMs);
  const context: FunctionContext = {
    runId,
    callId,
    idempotencyKey: `${runId}/${callId}`,
    signal: deadline === undefined ? signal : AbortSignal.any([signal, deadline]),
  };
  const args = call.arguments.value;
  try {
    context.signal.throwIfAborted();
    const work = async () => tool.call(args, context);
    // A function need not listen to the signal.
    const result = await abortable(work(), context.signal);
    return { call, result, content: cut(textOfResult(result), charsMax), isError: false };
  } catch (thrown) {
    signal.throwIfAborted();
    if (deadline?.aborted) return failure(call, `The tool gave no result within ${tool.timeoutMs} ms.`);
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return failure(call, cut(`Error: ${message}`, charsMax));
  }
}

function failure(call: ToolCallPart, content: string): LocalOutcome {
  return { call, result: content, content, isError: true };
}

function textOfResult(result: unknown): string {
  const text = typeof result === "string" ? result : JSON.stringify(result);
  return text === undefined || text === "" ? "(The tool returned nothing.)" : text;
}

/** A text within its bound; what is cut is said within it. */
function cut(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text.toWellFormed();
  const note = `\n[Cut here: the text has ${text.length} characters.]`;
  // A cut through a surrogate pair would leave half a character.
  return text.slice(0, Math.max(0, charsMax - note.length)).replace(/[\ud800-\udbff]$/, "") + note;
}
