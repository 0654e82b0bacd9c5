/**
 * The answer to a streamed request: OpenAI's `chat.completion.chunk`s. Calls come whole, in one delta each; the last
 * chunk with a choice has the finish reason and what Dedalus and Baton add; with `include_usage` a chunk without
 * choices follows. What was sent of an attempt that failed is told by `baton.withdrawn`, see answer-stream.ts.
 */
import { isTerminal, type ModelId, type RunId } from "@baton/core";
import type { RunService } from "@baton/producer";
import type { AnswerEvent } from "../answers/answer-stream.ts";
import { type CallIds, callIdsOf } from "../answers/call-ids.ts";
import {
  type CompletionUsage,
  completionUsage,
  type Extras,
  extrasOf,
} from "../answers/completion-extras.ts";
import { type FollowOptions, followAnswer } from "../answers/follow-answer.ts";
import { answerOf, argumentsText, type FinishReason } from "../answers/run-ending.ts";

interface ToolCallDelta {
  readonly index: number;
  readonly id: string;
  readonly type: "function";
  readonly function: { readonly name: string; readonly arguments: string };
}

interface Delta {
  readonly role?: "assistant";
  readonly content?: string;
  /** What a model thinks, where it shows that, and what it says before it calls a tool or hands off. */
  readonly reasoning_content?: string;
  readonly refusal?: string;
  readonly tool_calls?: readonly ToolCallDelta[];
}

export interface CompletionChunk extends Partial<Omit<Extras, "baton">> {
  readonly id: RunId;
  readonly object: "chat.completion.chunk";
  readonly created: number;
  readonly model: ModelId;
  readonly choices: readonly {
    readonly index: 0;
    readonly delta: Delta;
    readonly logprobs: null;
    readonly finish_reason: FinishReason | null;
  }[];
  readonly usage?: CompletionUsage | null;
  readonly baton?: Extras["baton"] | { readonly withdrawn: { readonly content_chars: number } };
}

export interface ChunkOptions extends FollowOptions {
  readonly includeUsage: boolean;
}

/** Throws an `OpenAiProblem` when the run ends without an answer, at the first read or in the middle. */
export async function* completionChunks(
  runs: Pick<RunService, "get" | "watch" | "conversation">,
  id: RunId,
  options: ChunkOptions,
  signal: AbortSignal,
): AsyncGenerator<CompletionChunk, void, void> {
  const { run: begun, spec: asked } = await runs.get(id);
  const base = {
    ...({ id, object: "chat.completion.chunk" } as const),
    created: Math.floor(begun.createdAt / 1_000),
    ...(options.includeUsage ? { usage: null } : {}),
  };
  const chunk = (model: ModelId, delta: Delta, finish: FinishReason | null = null): CompletionChunk => ({
    ...base,
    model,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
  });
  const callIds = async () => callIdsOf(id, asked, await runs.conversation(id));
  // Ended with this one, wherever its reader leaves it.
  await using following = followAnswer(runs, id, options, signal);
  let isFirst = true;
  for (;;) {
    const next = await following.next();
    if (next.done) {
      const { run, spec } = next.value;
      // One that goes on has no answer to look for, and an API that stops has very many such.
      const items = isTerminal(run.status) ? await runs.conversation(id) : [];
      const { model, refusal, finishReason } = answerOf(run, spec, items, signal.aborted);
      // Clients want a role, also of an answer without a word, as one that a filter cut at once.
      if (isFirst) yield chunk(model, { role: "assistant", content: "" });
      if (refusal !== null) yield chunk(model, { refusal });
      yield { ...chunk(model, {}, finishReason), ...extrasOf(run, spec, items) };
      if (options.includeUsage) yield { ...base, model, choices: [], usage: completionUsage(run.usage) };
      return;
    }
    const event = next.value;
    if (event.kind === "ran" || event.kind === "passed") continue;
    if (isFirst) yield chunk(event.model, { role: "assistant", content: "" });
    isFirst = false;
    yield event.kind === "withdrawn"
      ? { ...chunk(event.model, {}), baton: { withdrawn: { content_chars: event.chars } } }
      : chunk(event.model, await deltaOf(event, callIds));
  }
}

async function deltaOf(
  event: Extract<AnswerEvent, { kind: "text" | "reasoning" | "calls" }>,
  idsOfCalls: () => Promise<CallIds>,
): Promise<Delta> {
  switch (event.kind) {
    case "text":
      return { content: event.text };
    case "reasoning":
      return { reasoning_content: event.text };
    case "calls": {
      const callIds = await idsOfCalls();
      return {
        tool_calls: event.calls.map((call, index) => ({
          index,
          id: callIds(index),
          type: "function",
          function: { name: call.name, arguments: argumentsText(call) },
        })),
      };
    }
  }
}
