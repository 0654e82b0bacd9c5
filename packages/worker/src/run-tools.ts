/**
 * The tool calls of one turn, in parallel up to a limit. R5: each result is written as it comes, so that a
 * takeover runs only what has no result. A call that may have an effect gets a marker first; after a crash a
 * marked call is not run again but answered as unknown.
 */
import type {
  NewItem,
  ToolCallPart,
  ToolCatalogue,
  ToolHost,
  ToolOutcome,
  ToolResultPart,
} from "@baton/core";
import type { PhasePlan } from "./phase-plan.ts";
import type { EventBody, PhaseSession, WriteResult } from "./phase-session.ts";

const PREVIEW_CHARS = 200;

export interface ToolWork {
  readonly calls: readonly ToolCallPart[];
  /** Started by a worker that was lost: their outcome is unknown. */
  readonly unknown: readonly ToolCallPart[];
  /** Calls that a person approved. */
  readonly approved: ReadonlySet<string>;
  /** Place of the reply that made the calls. */
  readonly reply: number;
}

export async function runTools(
  session: PhaseSession,
  plan: PhasePlan,
  work: ToolWork,
  catalogue: ToolCatalogue,
  tools: ToolHost,
  parallel: number,
): Promise<WriteResult> {
  for (const call of work.unknown) {
    session.signals.toolAnswered("unknown");
    if ((await writeResult(session, call, OUTCOME_UNKNOWN)) === "lost") return "lost";
  }
  const queue = [...work.calls];
  const lane = async (): Promise<WriteResult> => {
    for (let call = queue.shift(); call !== undefined; call = queue.shift()) {
      // A call that is not begun leaves no marker: whoever goes on makes it.
      if (session.held.signal.aborted) return "lost";
      if ((await runOne(session, plan, call, work, catalogue, tools)) === "lost") return "lost";
    }
    return "written";
  };
  const lanes = Array.from({ length: Math.min(parallel, queue.length) }, lane);
  const results = await Promise.all(lanes);
  return results.includes("lost") ? "lost" : "written";
}

async function runOne(
  session: PhaseSession,
  plan: PhasePlan,
  call: ToolCallPart,
  work: ToolWork,
  catalogue: ToolCatalogue,
  tools: ToolHost,
): Promise<WriteResult> {
  const { signal, claim } = session.held;
  if (call.arguments.kind === "invalid") {
    session.signals.toolAnswered("refused");
    return writeResult(
      session,
      call,
      errorOutcome("The arguments were not valid JSON. Call the tool again with a JSON object."),
    );
  }
  if (plan.handoffTools.some((tool) => tool.definition.name === call.name)) {
    throw new Error(`${call.name} is a transfer and is decided, not run`);
  }
  const definition = catalogue.tools.find((tool) => tool.name === call.name);
  if (definition === undefined && call.name.startsWith("transfer_to_")) {
    session.signals.toolAnswered("refused");
    return writeResult(
      session,
      call,
      errorOutcome(
        `You cannot hand over to that model: it holds control already, or is not part of this run.`,
      ),
    );
  }
  // What is not in the list (its server was down then) may have effects for all that is known.
  const marked = definition === undefined || (!definition.readOnly && !definition.idempotent);
  if (marked) {
    const marker: NewItem = { role: "control", parts: [{ type: "tool_started", callId: call.callId }] };
    if ((await session.write([marker], [])) === "lost") return "lost";
  }
  const args = call.arguments.value;
  session.show({
    type: "tool_start",
    callId: call.callId,
    name: call.name,
    arguments: JSON.stringify(args).slice(0, 2_000),
  });
  let outcome: ToolOutcome;
  const running = session.signals.toolBegan(call);
  try {
    outcome = await tools.call(
      {
        name: call.name,
        arguments: args,
        selection: plan.selection,
        runId: claim.runId,
        callId: call.callId,
        // A server that counts its calls anew in each reply may use an id twice.
        idempotencyKey: `${claim.runId}/${work.reply}/${call.callId}`,
        approved: work.approved.has(call.callId),
        onRetry: ({ attempt, message, waitMs }) =>
          session.show({
            type: "notice",
            code: "tool_retry",
            message: `${call.name}: ${message} (attempt ${attempt}; the next in ${(waitMs / 1_000).toFixed(1)} s)`,
          }),
      },
      signal,
    );
  } catch (error) {
    running.lost();
    if (signal.aborted) return "lost";
    throw error;
  }
  running.ended(outcome.isError);
  return writeResult(session, call, outcome);
}

async function writeResult(
  session: PhaseSession,
  call: ToolCallPart,
  outcome: ToolOutcome,
): Promise<WriteResult> {
  const event: EventBody = {
    type: "tool_end",
    callId: call.callId,
    name: call.name,
    isError: outcome.isError,
    preview: previewOf(outcome),
  };
  return session.write([{ role: "tool", parts: [resultPart(call, outcome)] }], [event]);
}

/** The result of a call, as an item's part. */
export function resultPart(call: ToolCallPart, outcome: ToolOutcome): ToolResultPart {
  return {
    type: "tool_result",
    callId: call.callId,
    name: call.name,
    isError: outcome.isError,
    content: [...outcome.content],
    ...(outcome.server === undefined ? {} : { server: outcome.server }),
  };
}

export function errorOutcome(text: string): ToolOutcome {
  return { isError: true, content: [{ type: "text", text }] };
}

const OUTCOME_UNKNOWN = errorOutcome(
  "Outcome unknown: the worker was lost while this call was under way. It may or may not have taken effect. Check before you call it again.",
);

function previewOf(outcome: ToolOutcome): string {
  const text = outcome.content
    .map((part) => (part.type === "text" ? part.text : `[${part.mediaType}]`))
    .join(" ");
  return text.length > PREVIEW_CHARS
    ? `${text.slice(0, PREVIEW_CHARS).toWellFormed()}…`
    : text.toWellFormed();
}
