/**
 * Each request of a run, made once more out of its log by the real renderers, and read as strictly as the providers
 * read it; and one request more, as if a user went on behind the end.
 */
import type { Item, ModelRequest, Origin, ToolDefinition } from "@baton/core";
import { renderRequest as renderAnthropic } from "../../packages/providers/src/anthropic/render-request.ts";
import { renderRequest as renderChat } from "../../packages/providers/src/openai-chat/render-request.ts";
import { renderRequest as renderResponses } from "../../packages/providers/src/openai-responses/render-request.ts";
import { anthropicViolations } from "../../packages/providers/src/test-support/anthropic-rules.ts";
import { chatViolations } from "../../packages/providers/src/test-support/chat-rules.ts";
import { responsesViolations } from "../../packages/providers/src/test-support/responses-rules.ts";
import { callsLeftToCaller, isReply, type RunStory } from "./check-story.ts";

export function renderingFaults(story: RunStory): readonly string[] {
  const { items, spec } = story;
  const tools = toolsOf(items);
  const faultsOf = (
    before: readonly Item[],
    { api, model }: Pick<Origin, "api" | "model">,
    place: number,
  ) => {
    const request: ModelRequest = {
      model,
      instructions: spec.instructions,
      items: shown(before),
      tools,
      settings: {},
    };
    return violationsOf(request, api).map((what) => `as ${api} the request at ${place} is refused: ${what}`);
  };
  const found = items.flatMap((item, place) =>
    isReply(item) && item.origin !== undefined ? faultsOf(items.slice(0, place), item.origin, place) : [],
  );
  const last = items.findLast(isReply);
  // Nobody goes on past calls without their results: what comes of those is another run, which has its own log.
  if (last?.origin === undefined || found.length > 0 || callsLeftToCaller(story).size > 0) return found;
  const more: Item = {
    ...last,
    seq: items.length,
    role: "user",
    parts: [{ type: "text", text: "And then?" }],
    origin: undefined,
    stopReason: undefined,
  };
  return faultsOf([...items, more], last.origin, items.length);
}

function violationsOf(request: ModelRequest, api: Origin["api"]): readonly string[] {
  switch (api) {
    case "anthropic-messages":
      return anthropicViolations(renderAnthropic(request).body);
    case "openai-responses":
      return responsesViolations(renderResponses(request).body);
    case "openai-chat":
      return chatViolations(renderChat(request).body);
  }
}

/** What the model in control sees: all, or what came since the last handoff that passed on its brief alone. */
function shown(items: readonly Item[]): readonly Item[] {
  const cut = items.findLastIndex((item) =>
    item.parts.some((part) => part.type === "handoff" && part.context === "brief"),
  );
  return cut < 0 ? items : items.slice(cut);
}

/** A tool for each name that was called; an API refuses calls in a conversation without any tool. */
function toolsOf(items: readonly Item[]): readonly ToolDefinition[] {
  const names = new Set(
    items.flatMap((item) => item.parts).flatMap((part) => (part.type === "tool_call" ? [part.name] : [])),
  );
  return [...names].sort().map((name) => ({
    name,
    description: name,
    inputSchema: { type: "object", properties: {} },
    readOnly: true,
    idempotent: true,
    approval: false,
    origin: { kind: "function" },
  }));
}
