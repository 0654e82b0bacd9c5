/**
 * One call of a tool at its server, tried again where that is safe, and what the model is told of its end.
 *
 * When the call may have taken effect and nobody knows, the outcome says "outcome unknown", in these words, unless
 * repeating it does no harm: the model must not take it for a call that was not made.
 */
import type { ToolInvocation, ToolOutcome } from "@baton/core";
import type { ListedTool } from "./listed-tools.ts";
import type { McpServer } from "./mcp-server.ts";
import type { CallAnswer } from "./mcp-session.ts";
import { type CallFailure, type Retried, type RetryClock, retryCall } from "./retry-call.ts";
import type { ResolvedServer } from "./server-lookup.ts";
import { textOutcome, toOutcome } from "./tool-result.ts";

/** What a call carries besides its arguments: a server that knows them can refuse to act twice. */
export const IDEMPOTENCY_KEY_META = "baton/idempotencyKey";
export const RUN_ID_META = "baton/runId";

export interface OpenServer {
  readonly resolved: ResolvedServer;
  readonly server: McpServer;
}

export interface ServerCall {
  readonly tool: ListedTool;
  readonly label: string;
  /** The server, or why there is none; asked before each try, since one that is idle may be closed between two. */
  readonly open: () => OpenServer | string;
  readonly timeoutMs: number;
  readonly charsMax: number;
  readonly clock: RetryClock;
}

/** Throws on abort alone. */
export async function callServer(
  call: ServerCall,
  invocation: ToolInvocation,
  signal: AbortSignal,
): Promise<ToolOutcome> {
  const { tool, charsMax } = call;
  const repeatable = tool.readOnly || tool.idempotent;
  const first = call.open();
  const timeoutMs = typeof first === "string" ? call.timeoutMs : (first.resolved.timeoutMs ?? call.timeoutMs);
  const retried = await retryCall(
    {
      attempt: (leftMs, attempt) => tryOnce(call, invocation, { leftMs, attempt, timeoutMs }, signal),
      repeatable,
      budgetMs: timeoutMs,
      clock: call.clock,
      onRetry: invocation.onRetry,
    },
    signal,
  );
  const { answer } = retried;
  if (answer.kind === "answered") {
    const redact = typeof first === "string" ? (text: string) => text : first.resolved.redactor.result;
    return toOutcome(answer.result, { charsMax, redact });
  }
  const text = describe(invocation.name, call.label, { ...retried, answer }, repeatable);
  return textOutcome(text, true, { charsMax, redact: (whole) => whole });
}

interface Try {
  readonly leftMs: number;
  readonly attempt: number;
  readonly timeoutMs: number;
}

async function tryOnce(
  { tool, open }: ServerCall,
  invocation: ToolInvocation,
  { leftMs, attempt, timeoutMs }: Try,
  signal: AbortSignal,
): Promise<CallAnswer> {
  const opened = open();
  if (typeof opened === "string") {
    return { kind: "failed", effect: "not_run", retry: "never", message: opened };
  }
  const isFirst = attempt === 1;
  const request = {
    tool: tool.name,
    arguments: invocation.arguments,
    meta: { [IDEMPOTENCY_KEY_META]: invocation.idempotencyKey, [RUN_ID_META]: invocation.runId },
    timeoutMs: isFirst ? timeoutMs : leftMs,
  };
  // A first session may take longer than a call: its program may have to be fetched. Later ones share the budget.
  return opened.server.call(request, isFirst ? Number.POSITIVE_INFINITY : leftMs, signal);
}

function describe(
  name: string,
  label: string,
  { answer, attempts }: Retried<never> & { readonly answer: CallFailure },
  repeatable: boolean,
): string {
  const message = `${label}: ${answer.message}`;
  const tries = attempts === 1 ? "" : ` (tried ${attempts} times)`;
  if (answer.effect === "not_run") return `${name} could not be called: ${message}${tries}`;
  if (answer.effect === "refused" || repeatable) return `${name} failed: ${message}${tries}`;
  return `${name}: outcome unknown: ${message}. The call may or may not have taken effect. Check before you call it again.`;
}
