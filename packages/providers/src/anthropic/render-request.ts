/** A model request as the body of one call of Anthropic's Messages API. Pure: the same request, the same bytes. */
import type Anthropic from "@anthropic-ai/sdk";
import { type ModelRequest, splitModelId } from "@baton/core";
import { type ClaudeCapabilities, claudeCapabilities, type DroppedSetting } from "../capabilities.ts";
import { isBlank, turnsOf } from "../conversation.ts";
import { type Drop, dropList } from "../drop-list.ts";
import { objectSchema } from "../tool-schema.ts";
import { markedSystem, markLastTool, markMessages } from "./cache-marks.ts";
import { type Message, openLoopLacksThinking, renderMessages } from "./render-messages.ts";
import { dropUnknown, effortOf, formatOf, stopsOf, type TokenSettings, tokensOf } from "./settings.ts";

export interface RenderedRequest {
  readonly body: Anthropic.MessageCreateParamsStreaming;
  readonly dropped: readonly DroppedSetting[];
}

export function renderRequest(request: ModelRequest): RenderedRequest {
  const { model } = splitModelId(request.model);
  const { settings } = request;
  const takes = claudeCapabilities(model);
  const { drop, dropped } = dropList();
  dropUnknown(settings, drop);
  const effort = effortOf(settings, takes, drop);
  const tokens = tokensOf(settings, takes, effort, drop);
  const choice = toolChoiceOf(request, takes, tokens.thinking, drop);
  const turns = turnsOf(request.items, request.model, "anthropic-messages");
  const wished = choice.thinking ?? tokens.thinking;
  let messages = renderMessages(turns, !turnsThinkingOff(request, wished));
  let thinking = wished;
  if (wished?.type === "enabled" && openLoopLacksThinking(messages)) {
    drop("thinking", "the tool calls under way began without it; it is on again after the next user message");
    thinking = undefined;
    messages = renderMessages(turns, false);
  }
  const format = formatOf(request.responseFormat, takes, drop);
  const system = systemOf(request.instructions, format.instruction);
  const tools = toolsOf(request, messages, drop);
  const stops = stopsOf(settings, drop);
  const body: Anthropic.MessageCreateParamsStreaming = {
    model,
    max_tokens: tokens.maxTokens,
    ...(system === undefined ? {} : { system: markedSystem(system) }),
    messages: markMessages(messages),
    ...(tools.length === 0 ? {} : { tools: markLastTool(tools) }),
    ...(choice.toolChoice === undefined || tools.length === 0 ? {} : { tool_choice: choice.toolChoice }),
    ...(request.tools.length === 0 && tools.length > 0 ? { tool_choice: { type: "none" } } : {}),
    ...(thinking === undefined ? {} : { thinking }),
    ...outputConfig(effort, format.format),
    ...(stops === undefined ? {} : { stop_sequences: stops }),
    stream: true,
  };
  return { body, dropped };
}

function outputConfig(
  effort: Anthropic.OutputConfig["effort"],
  format: Anthropic.JSONOutputFormat | undefined,
): { readonly output_config?: Anthropic.OutputConfig } {
  if (effort === undefined && format === undefined) return {};
  return { output_config: { ...(effort ? { effort } : {}), ...(format ? { format } : {}) } };
}

/** Thinking that was said to be off must not come back; without a word on it, what the model gave goes back. */
function turnsThinkingOff(request: ModelRequest, thinking: TokenSettings["thinking"]): boolean {
  if (thinking?.type === "disabled") return true;
  const takes = claudeCapabilities(splitModelId(request.model).model);
  return request.settings.thinking === "off" && takes.thinksUnasked === "no";
}

function systemOf(instructions: string | undefined, extra: string | undefined): string | undefined {
  const texts = [instructions, extra].filter((text) => text !== undefined && !isBlank(text));
  return texts.length === 0 ? undefined : texts.join("\n\n");
}

/**
 * `strict` is not sent: the API compiles the schemas of all strict tools into one grammar, and refuses the whole request
 * when that grows too large. Where that is it does not say, and a handful of tools can be too many.
 */
function toolsOf(request: ModelRequest, messages: readonly Message[], drop: Drop): Anthropic.Tool[] {
  if (request.tools.length > 0) {
    if (request.tools.some(({ strict }) => strict === true)) {
      drop("tools.strict", "Anthropic refuses requests with more strict tools than it has room for");
    }
    return request.tools.map((tool) => ({
      name: tool.name,
      ...(isBlank(tool.description) ? {} : { description: tool.description }),
      input_schema: objectSchema(tool.inputSchema),
    }));
  }
  // The API wants tools to be defined when the messages have calls, also those of earlier phases.
  const names = new Set<string>();
  for (const message of messages) {
    for (const block of message.content) if (block.type === "tool_use") names.add(block.name);
  }
  return [...names].sort().map((name) => ({
    name,
    description: "Not available any more.",
    input_schema: { type: "object", properties: {} },
  }));
}

interface Choice {
  readonly toolChoice: Anthropic.ToolChoice | undefined;
  /** Set when the choice needs thinking to be turned off. */
  readonly thinking?: Anthropic.ThinkingConfigParam;
}

function toolChoiceOf(
  request: ModelRequest,
  takes: ClaudeCapabilities,
  thinking: TokenSettings["thinking"],
  drop: Drop,
): Choice {
  const { toolChoice, tools, settings } = request;
  if (tools.length === 0) {
    if (toolChoice !== undefined && toolChoice !== "auto" && toolChoice !== "none") {
      drop("tool_choice", "there is no tool to choose");
    }
    return { toolChoice: undefined };
  }
  const single = settings.parallel_tool_calls === false ? { disable_parallel_tool_use: true } : {};
  const auto: Choice = {
    toolChoice:
      toolChoice === "auto" || settings.parallel_tool_calls === false
        ? { type: "auto", ...single }
        : undefined,
  };
  if (toolChoice === undefined || toolChoice === "auto") return auto;
  if (toolChoice === "none") return { toolChoice: { type: "none" } };
  if (typeof toolChoice === "object" && !tools.some((tool) => tool.name === toolChoice.name)) {
    drop("tool_choice", `there is no tool ${toolChoice.name}`);
    return auto;
  }
  const forced: Anthropic.ToolChoice =
    toolChoice === "required"
      ? { type: "any", ...single }
      : { type: "tool", name: toolChoice.name, ...single };
  return forcedChoice(forced, auto, takes, thinking, settings.effort === "max", drop);
}

/** A model that thinks cannot be forced to a tool: thinking that nobody asked for gives way to the choice. */
function forcedChoice(
  forced: Anthropic.ToolChoice,
  auto: Choice,
  takes: ClaudeCapabilities,
  thinking: TokenSettings["thinking"],
  atMostEffort: boolean,
  drop: Drop,
): Choice {
  if (thinking?.type === "disabled") return { toolChoice: forced };
  if (thinking === undefined && takes.thinksUnasked === "no") return { toolChoice: forced };
  const canYield =
    thinking === undefined &&
    takes.thinksUnasked === "yes" &&
    takes.thinkingOff === "disabled" &&
    !(takes.offNeedsEffortHigh && atMostEffort);
  if (canYield) return { toolChoice: forced, thinking: { type: "disabled" } };
  drop("tool_choice", "a model that thinks cannot be forced to call a tool");
  return auto;
}
