/**
 * What a run ended with, as the answer to a request: what the last model said, the calls that are the caller's to run,
 * and why it stopped; or the error that its client is to see.
 */
import {
  type Item,
  isReply,
  type ModelId,
  type Run,
  type RunSpec,
  type ToolCallPart,
  textOf,
} from "@baton/core";
import { OpenAiProblem, problemOfRun } from "./openai-problem.ts";

export type FinishReason = "stop" | "length" | "tool_calls" | "content_filter";

export interface Answer {
  readonly model: ModelId;
  readonly text: string;
  /** Set when the model would not answer, with what it said instead. */
  readonly refusal: string | null;
  /** Calls of the caller's own functions. */
  readonly calls: readonly ToolCallPart[];
  readonly finishReason: FinishReason;
}

/** Names of the caller's own functions. */
export function clientToolsOf(spec: RunSpec): ReadonlySet<string> {
  return new Set(
    (spec.tools ?? []).flatMap((tool) => (typeof tool === "string" ? [] : [tool.function.name])),
  );
}

/** What the run itself said: in one that goes on from another's conversation, what came behind that. */
export function ownItems(run: Run, items: readonly Item[]): readonly Item[] {
  return items.filter((item) => item.seq >= (run.forkedFrom?.items ?? 0));
}

/** The answer of a run as it is now; `isStopping`: because the API stops. Throws an `OpenAiProblem` when it has none. */
export function answerOf(run: Run, spec: RunSpec, items: readonly Item[], isStopping: boolean): Answer {
  const last = ownItems(run, items).findLast(isReply);
  const text = last === undefined ? "" : textOf(last);
  const stopReason = last?.stopReason;
  const answer = { model: last?.origin?.model ?? run.model, text, refusal: null, calls: [] };
  switch (run.status) {
    case "succeeded": {
      const calls = last === undefined ? [] : callsOf(last, clientToolsOf(spec));
      // A limit may have cut the last call in the middle of its arguments: whoever runs it must not take it for whole.
      if (stopReason === "length") return { ...answer, calls, finishReason: "length" };
      return { ...answer, calls, finishReason: calls.length > 0 ? "tool_calls" : "stop" };
    }
    case "failed": {
      const { code, message } = run.error;
      if (code === "refusal") {
        return { ...answer, text: "", refusal: text === "" ? message : text, finishReason: "stop" };
      }
      if (code === "content_filter") return { ...answer, finishReason: "content_filter" };
      // A limit that left no room for any text is told as the limit, as OpenAI does.
      if (code === "output_limit" && stopReason === "length") return { ...answer, finishReason: "length" };
      throw problemOfRun(run.id, run.error);
    }
    case "cancelled":
      throw new OpenAiProblem({
        status: 409,
        code: "cancelled",
        message: `run ${run.id} was cancelled`,
        runId: run.id,
      });
    case "waiting":
      throw waiting(run);
    case "queued":
    case "running":
      throw isStopping ? goesOn(run) : unserved(run);
  }
}

/** Calls of the caller's own functions that a reply made. */
export function callsOf(reply: Item, clientTools: ReadonlySet<string>): readonly ToolCallPart[] {
  return reply.parts.filter((part) => part.type === "tool_call").filter(({ name }) => clientTools.has(name));
}

/** The arguments as the model wrote them, or the JSON of what they mean. */
export function argumentsText({ arguments: args }: ToolCallPart): string {
  return args.kind === "object" ? JSON.stringify(args.value) : args.raw;
}

function waiting(run: Extract<Run, { status: "waiting" }>): OpenAiProblem {
  const { id: runId, reason, detail } = run;
  const what = detail === undefined ? reason : `${reason} (${detail})`;
  const message = `run ${runId} waits: ${what}. It goes on when somebody acts: baton runs show ${runId} tells how. The same request with the same Idempotency-Key then gets its answer`;
  return reason === "budget"
    ? new OpenAiProblem({ status: 402, code: "budget", message, runId })
    : new OpenAiProblem({ status: 409, code: "run_waiting", message, runId });
}

function unserved(run: Run): OpenAiProblem {
  const { id: runId, model } = run;
  const missing = run.status === "queued" ? run.missing : undefined;
  const why =
    missing === undefined
      ? `no live worker serves ${model}`
      : `no worker of ${model} has what it needs: ${missing.join(", ")}`;
  const message = `run ${runId} waits: ${why}. The same request with the same Idempotency-Key gets its answer when there is one`;
  return new OpenAiProblem({ status: 503, code: "no_worker", message, runId });
}

const COME_BACK_SECONDS = 1;

/** The API stops before all of the answer was told. */
export function goesOn(run: Run): OpenAiProblem {
  const message = `the API stops before run ${run.id} is answered: send the same request with the same Idempotency-Key again to get its answer`;
  return new OpenAiProblem({
    status: 503,
    code: "shutting_down",
    message,
    runId: run.id,
    retryAfter: COME_BACK_SECONDS,
  });
}
