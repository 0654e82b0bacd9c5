/**
 * A request that begins with an earlier response: the conversation of that response's run, as messages, goes before its
 * own. Where the earlier one ended with calls of the caller's functions, their results must come with the request, and
 * the run itself is taken up, so that nothing of it is lost (`SubmitOptions.continues`). Instructions are not
 * taken over, as OpenAI has it; messages of the system are.
 */
import {
  BatonError,
  describeIssues,
  type Item,
  isReply,
  type Message,
  type Run,
  type RunId,
  type RunSpec,
  runSpecSchema,
  type ToolCallPart,
} from "@baton/core";
import { messagesOf, type RunService } from "@baton/producer";
import { OpenAiProblem } from "../answers/openai-problem.ts";
import { type Answer, answerOf, argumentsText } from "../answers/run-ending.ts";
import { responseIdOf, runOfResponse } from "./response-ids.ts";

export interface Begun {
  readonly spec: RunSpec;
  /** Ended with calls that the spec answers. */
  readonly continues: RunId | undefined;
}

const FIELD = "previous_response_id";

/** Throws `previous_response_not_found`, or an `OpenAiProblem` that says why it cannot be gone on from. */
export async function beginWith(
  runs: Pick<RunService, "get" | "conversation">,
  previousId: string,
  spec: RunSpec,
): Promise<Begun> {
  const { run, spec: prior } = await findPrevious(runs, previousId);
  const items = await runs.conversation(run.id);
  const { calls } = endOf(run, prior, items);
  const own = ownMessages(spec, run.id, calls);
  demandResults(own, run.id, calls);
  const system = (prior.messages ?? []).filter(({ role }) => role === "system" || role === "developer");
  const { input: _input, ...rest } = spec;
  const parsed = runSpecSchema.safeParse({
    ...rest,
    messages: [...system, ...messagesBefore(items, calls), ...own],
  });
  if (parsed.success) {
    return { spec: parsed.data, continues: calls.length === 0 ? undefined : run.id };
  }
  throw new BatonError(
    "invalid_spec",
    `what began with ${previousId} grew too large: ${describeIssues(parsed.error)}`,
    {
      cause: parsed.error,
      fields: { field: FIELD },
    },
  );
}

/** How it ended. A refusal and a text that was cut are answers, too, whatever the run counts as. */
function endOf(run: Run, spec: RunSpec, items: readonly Item[]): Answer {
  try {
    return answerOf(run, spec, items, false);
  } catch (cause) {
    if (!(cause instanceof OpenAiProblem)) throw cause;
    throw refused(
      "previous_response_unusable",
      `response ${responseIdOf(run.id)} is ${run.status}: only one that has its answer can be gone on from`,
      cause,
    );
  }
}

async function findPrevious(runs: Pick<RunService, "get">, previousId: string) {
  const id = runOfResponse(previousId);
  const missing = (cause?: unknown) =>
    refused(
      "previous_response_not_found",
      `there is no response ${previousId}: it never was, or its retention has passed`,
      cause,
    );
  if (id === undefined) throw missing();
  try {
    return await runs.get(id);
  } catch (error) {
    if (error instanceof BatonError && error.code === "not_found") throw missing(error);
    throw error;
  }
}

/**
 * The conversation, with the calls that are answered now in a message of their own at its end. Calls that were made with
 * a refusal, or where the reply was cut, never ran: no model could go on from a call without its result.
 */
function messagesBefore(items: readonly Item[], calls: readonly ToolCallPart[]): readonly Message[] {
  const last = items.findLastIndex(isReply);
  const results = items.slice(last + 1).flatMap(({ parts }) => parts.filter(isResult));
  const ran = new Set(results.map(({ callId }) => callId));
  const before = items.map((item, place) =>
    place === last
      ? { ...item, parts: item.parts.filter((part) => part.type !== "tool_call" || ran.has(part.callId)) }
      : item,
  );
  const made: readonly Message[] =
    calls.length === 0
      ? []
      : [
          {
            role: "assistant",
            content: null,
            tool_calls: calls.map((call) => ({
              id: call.callId,
              type: "function",
              function: { name: call.name, arguments: argumentsText(call) },
            })),
          },
        ];
  return [...messagesOf(before), ...made];
}

function isResult(part: Item["parts"][number]) {
  return part.type === "tool_result";
}

/** Results name calls as the response did, by their places; the conversation knows them by the models' own ids. */
function ownMessages(spec: RunSpec, runId: RunId, calls: readonly ToolCallPart[]): readonly Message[] {
  const messages: readonly Message[] = spec.messages ?? [{ role: "user", content: spec.input ?? "" }];
  return messages.map((message) => {
    if (message.role !== "tool" || !message.tool_call_id.startsWith(`call_${runId}_`)) return message;
    const place = message.tool_call_id.slice(message.tool_call_id.lastIndexOf("_") + 1);
    return { ...message, tool_call_id: calls[Number(place)]?.callId ?? message.tool_call_id };
  });
}

function demandResults(messages: readonly Message[], runId: RunId, calls: readonly ToolCallPart[]): void {
  const given = new Set(messages.flatMap((one) => (one.role === "tool" ? [one.tool_call_id] : [])));
  const missing = calls.filter(({ callId }) => !given.has(callId));
  if (missing.length === 0) return;
  const names = missing.map(({ name }) => name).join(", ");
  throw new OpenAiProblem({
    ...{ status: 400, code: "invalid_spec", param: "input", runId },
    message: `input: there is no function_call_output for the calls that the previous response ended with (${names})`,
  });
}

function refused(code: string, message: string, cause?: unknown): OpenAiProblem {
  return new OpenAiProblem({ status: 400, code, message, param: FIELD, cause });
}
