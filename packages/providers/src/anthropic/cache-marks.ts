/**
 * Prompt caching: the API caches the prompt up to each marked block. Marks stand on the last tool, on the system
 * text, and on the last two user messages: the one before last is what the previous call of the phase wrote, so
 * that this call reads it. Four is the most that the API takes.
 */
import type Anthropic from "@anthropic-ai/sdk";
import type { Message } from "./render-messages.ts";

const MARK: Anthropic.CacheControlEphemeral = { type: "ephemeral" };

export function markLastTool(tools: readonly Anthropic.Tool[]): Anthropic.Tool[] {
  return tools.map((tool, index) => (index === tools.length - 1 ? { ...tool, cache_control: MARK } : tool));
}

export function markedSystem(text: string): Anthropic.TextBlockParam[] {
  return [{ type: "text", text, cache_control: MARK }];
}

export function markMessages(messages: readonly Message[]): Message[] {
  const users = messages.flatMap((message, index) => (message.role === "user" ? [index] : []));
  const marked = new Set(users.slice(-2));
  return messages.map((message, index) => (marked.has(index) ? markLast(message) : message));
}

function markLast(message: Message): Message {
  const last = message.content.at(-1);
  // User messages hold text, images, documents and tool results alone: all of them take a mark.
  if (last === undefined || last.type === "thinking" || last.type === "redacted_thinking") return message;
  return { ...message, content: [...message.content.slice(0, -1), { ...last, cache_control: MARK }] };
}
