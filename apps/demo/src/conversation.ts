/**
 * A model request as the simulated models read it. aimock turns each provider's request into chat messages;
 * this view pairs the tool calls in them with their results.
 */
import type { ChatCompletionRequest, ChatMessage } from "@copilotkit/aimock";

export interface Conversation {
  /** What the user asked first. */
  readonly task: string;
  /** Tools that may be called now. */
  readonly tools: readonly string[];
  /** In order; a call that has no result is not among them. */
  readonly calls: readonly AnsweredCall[];
}

export interface AnsweredCall {
  readonly name: string;
  /** The arguments as JSON text, as the model wrote them. */
  readonly arguments: string;
  readonly result: string;
}

export function readConversation(request: ChatCompletionRequest): Conversation {
  const messages = request.messages.filter((message) => message.role !== "system");
  const results = new Map<string, string>();
  for (const message of messages) {
    if (message.role === "tool" && message.tool_call_id !== undefined) {
      results.set(message.tool_call_id, textOf(message));
    }
  }
  const calls = messages.flatMap((message) =>
    (message.tool_calls ?? []).flatMap((call) => {
      const result = results.get(call.id);
      return result === undefined
        ? []
        : [{ name: call.function.name, arguments: call.function.arguments, result }];
    }),
  );
  const first = messages.find((message) => message.role === "user");
  const allowed = request.tool_choice === "none" ? [] : (request.tools ?? []);
  return {
    task: first === undefined ? "" : textOf(first),
    tools: allowed.map((tool) => tool.function.name),
    calls,
  };
}

/** The text of a message, whether it comes as a string or in parts (whose type names differ by provider). */
function textOf(message: ChatMessage): string {
  if (typeof message.content === "string") return message.content;
  return (message.content ?? []).map((part) => part.text ?? "").join("\n");
}
