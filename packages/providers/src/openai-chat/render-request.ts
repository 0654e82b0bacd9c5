/** A model request as the body of one Chat Completions call. Pure: the same request, the same bytes. */
import { type ModelRequest, type ResponseFormat, splitModelId } from "@baton/core";
import type { OpenAI } from "openai";
import {
  type DroppedSetting,
  type OpenAiCapabilities,
  openAiCapabilities,
  openAiEffort,
} from "../capabilities.ts";
import { isBlank, turnsOf } from "../conversation.ts";
import { type Drop, dropList } from "../drop-list.ts";
import { objectSchema } from "../tool-schema.ts";
import { verbosityFor } from "../verbosity.ts";
import { renderMessages } from "./render-messages.ts";

type Body = OpenAI.Chat.ChatCompletionCreateParamsStreaming;

export interface RenderedRequest {
  readonly body: Body;
  readonly dropped: readonly DroppedSetting[];
}

export function renderRequest(request: ModelRequest): RenderedRequest {
  const { model } = splitModelId(request.model);
  const takes = openAiCapabilities(model);
  const { drop, dropped } = dropList();
  const system = systemOf(request);
  const turns = turnsOf(request.items, request.model, "openai-chat");
  const messages = renderMessages(turns, {
    images: takes.images,
    files: takes.ofOpenAi,
    reasoningBack: takes.wantsReasoningBack,
  });
  const body: Body = {
    model,
    messages: system === undefined ? messages : [{ role: "system", content: system }, ...messages],
    ...toolsOf(request, takes, drop),
    ...samplingOf(request, takes, drop),
    ...effortOf(request, takes, drop),
    ...verbosityOf(request, takes, drop),
    ...formatOf(request.responseFormat),
    stream: true,
    stream_options: { include_usage: true },
  };
  return { body, dropped };
}

function systemOf(request: ModelRequest): string | undefined {
  // OpenAI refuses JSON mode when no message speaks of JSON.
  const extra = request.responseFormat?.type === "json_object" ? "Answer with one JSON object." : undefined;
  const texts = [request.instructions, extra].filter((text) => text !== undefined && !isBlank(text));
  return texts.length === 0 ? undefined : texts.join("\n\n");
}

function toolsOf(request: ModelRequest, takes: OpenAiCapabilities, drop: Drop): Partial<Body> {
  const { tools, toolChoice, settings } = request;
  if (tools.length === 0) {
    if (toolChoice !== undefined && toolChoice !== "auto" && toolChoice !== "none") {
      drop("tool_choice", "there is no tool to choose");
    }
    return {};
  }
  const parallel = settings.parallel_tool_calls;
  if (parallel !== undefined && !takes.parallelToolCalls) {
    drop("parallel_tool_calls", "this model does not take it");
  }
  const choice = choiceOf(request, drop);
  return {
    tools: tools.map((tool) => ({
      type: "function",
      function: {
        name: tool.name,
        ...(isBlank(tool.description) ? {} : { description: tool.description }),
        parameters: objectSchema(tool.inputSchema),
        // Few other servers know it.
        ...(tool.strict === true && takes.ofOpenAi ? { strict: true } : {}),
      },
    })),
    ...(choice === undefined ? {} : { tool_choice: choice }),
    ...(parallel === undefined || !takes.parallelToolCalls ? {} : { parallel_tool_calls: parallel }),
  };
}

function choiceOf(request: ModelRequest, drop: Drop): Body["tool_choice"] {
  const { toolChoice, tools } = request;
  if (toolChoice === undefined || typeof toolChoice === "string") return toolChoice;
  if (tools.some((tool) => tool.name === toolChoice.name)) {
    return { type: "function", function: { name: toolChoice.name } };
  }
  drop("tool_choice", `there is no tool ${toolChoice.name}`);
  return undefined;
}

function samplingOf(request: ModelRequest, takes: OpenAiCapabilities, drop: Drop): Partial<Body> {
  const { temperature, top_p, max_output_tokens: limit, seed, stop } = request.settings;
  const body: Partial<Body> = {};
  // OpenAI's reasoning models refuse the old name; most other servers know no other.
  if (limit !== undefined)
    Object.assign(body, { [takes.ofOpenAi ? "max_completion_tokens" : "max_tokens"]: limit });
  if (seed !== undefined) body.seed = seed;
  if (stop !== undefined && stop.length > 0) {
    if (takes.stop) body.stop = [...stop];
    else drop("stop", "a reasoning model takes none");
  }
  if (temperature !== undefined) {
    if (takes.sampling) body.temperature = temperature;
    else drop("temperature", "a reasoning model takes none");
  }
  if (top_p !== undefined) {
    if (takes.sampling) body.top_p = top_p;
    else drop("top_p", "a reasoning model takes none");
  }
  return body;
}

function effortOf(request: ModelRequest, takes: OpenAiCapabilities, drop: Drop): Partial<Body> {
  const { effort: wished, thinking } = request.settings;
  if (thinking !== undefined && thinking !== "off") {
    drop("thinking", "Chat Completions has no such setting: set effort");
  }
  const effort = openAiEffort(request.settings, takes.efforts);
  if (effort === undefined) {
    if (wished !== undefined) drop("effort", "this model is not known to take it");
    return {};
  }
  if (request.tools.length > 0 && !takes.effortWithToolsInChat) {
    if (wished !== undefined)
      drop("effort", "this model takes an effort together with tools in the Responses API alone");
    return {};
  }
  return { reasoning_effort: effort };
}

function verbosityOf({ settings }: ModelRequest, takes: OpenAiCapabilities, drop: Drop): Partial<Body> {
  const verbosity = verbosityFor(settings, takes.verbosity, drop);
  return verbosity === undefined ? {} : { verbosity };
}

function formatOf(format: ResponseFormat | undefined): Partial<Body> {
  if (format === undefined || format.type === "text") return {};
  if (format.type === "json_object") return { response_format: { type: "json_object" } };
  const { name, description, schema, strict } = format.json_schema;
  return {
    response_format: {
      type: "json_schema",
      json_schema: {
        name,
        ...(description === undefined ? {} : { description }),
        schema,
        ...(strict === undefined || strict === null ? {} : { strict }),
      },
    },
  };
}
