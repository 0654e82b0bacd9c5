/** A model request as the body of one call of OpenAI's Responses API. Pure: the same request, the same bytes. */
import { type ModelRequest, type ModelSettings, type ResponseFormat, splitModelId } from "@baton/core";
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
import { renderInput } from "./render-input.ts";

/** The least that the API takes. */
const OUTPUT_TOKENS_MIN = 16;

export interface RenderedRequest {
  readonly body: OpenAI.Responses.ResponseCreateParamsStreaming;
  readonly dropped: readonly DroppedSetting[];
}

export function renderRequest(request: ModelRequest): RenderedRequest {
  const { model } = splitModelId(request.model);
  const takes = openAiCapabilities(model);
  const { drop, dropped } = dropList();
  const turns = turnsOf(request.items, request.model, "openai-responses");
  const instructions = instructionsOf(request);
  const body: OpenAI.Responses.ResponseCreateParamsStreaming = {
    model,
    ...(instructions === undefined ? {} : { instructions }),
    input: renderInput(turns, takes.images),
    ...toolsOf(request, takes, drop),
    ...samplingOf(request, takes, drop),
    ...reasoningOf(request, takes, drop),
    ...textOf(request.responseFormat, verbosityFor(request.settings, takes.verbosity, drop)),
    store: false,
    stream: true,
  };
  return { body, dropped };
}

function instructionsOf(request: ModelRequest): string | undefined {
  // The API refuses JSON mode when nothing in the request speaks of JSON.
  const extra = request.responseFormat?.type === "json_object" ? "Answer with one JSON object." : undefined;
  const texts = [request.instructions, extra].filter((text) => text !== undefined && !isBlank(text));
  return texts.length === 0 ? undefined : texts.join("\n\n");
}

type Body = Partial<OpenAI.Responses.ResponseCreateParamsStreaming>;

function toolsOf(request: ModelRequest, takes: OpenAiCapabilities, drop: Drop): Body {
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
  const named = typeof toolChoice === "object" ? toolChoice.name : undefined;
  const missing = named !== undefined && !tools.some((tool) => tool.name === named);
  if (missing) drop("tool_choice", `there is no tool ${named}`);
  const choice = named === undefined ? toolChoice : { type: "function", name: named };
  return {
    tools: tools.map((tool) => ({
      type: "function",
      name: tool.name,
      ...(isBlank(tool.description) ? {} : { description: tool.description }),
      parameters: objectSchema(tool.inputSchema),
      // Schemas of MCP servers and users rarely have the form that strict mode asks for, unless they say so.
      strict: tool.strict === true,
    })),
    // The union of strings and the object just made is what the API's own union allows.
    ...(choice === undefined || missing ? {} : { tool_choice: choice as Body["tool_choice"] }),
    ...(parallel === undefined || !takes.parallelToolCalls ? {} : { parallel_tool_calls: parallel }),
  };
}

function samplingOf(request: ModelRequest, takes: OpenAiCapabilities, drop: Drop): Body {
  const { temperature, top_p, max_output_tokens, seed, stop } = request.settings;
  if (seed !== undefined) drop("seed", "the Responses API has none");
  if (stop !== undefined) drop("stop", "the Responses API has none");
  if (max_output_tokens !== undefined && max_output_tokens < OUTPUT_TOKENS_MIN) {
    drop("max_output_tokens", `raised to ${OUTPUT_TOKENS_MIN}, the least that the API takes`);
  }
  const limit = max_output_tokens === undefined ? undefined : Math.max(max_output_tokens, OUTPUT_TOKENS_MIN);
  const limited = limit === undefined ? {} : { max_output_tokens: limit };
  if (!takes.sampling) {
    if (temperature !== undefined) drop("temperature", "a reasoning model takes none");
    if (top_p !== undefined) drop("top_p", "a reasoning model takes none");
    return limited;
  }
  return {
    ...limited,
    ...(temperature === undefined ? {} : { temperature }),
    ...(top_p === undefined ? {} : { top_p }),
  };
}

function reasoningOf(request: ModelRequest, takes: OpenAiCapabilities, drop: Drop): Body {
  const { effort: wished, thinking } = request.settings;
  const effort = openAiEffort(request.settings, takes.efforts);
  if (wished !== undefined && effort === undefined) {
    drop("effort", takes.reasons ? `this model does not take ${wished}` : "this model does not reason");
  }
  if (typeof thinking === "object")
    drop("thinking.budget_tokens", "OpenAI's models take an effort, no budget");
  if (!takes.reasons) {
    if (thinking === "adaptive") drop("thinking", "this model does not reason");
    return {};
  }
  // A summary is asked for only when thinking is to be shown: some accounts must be verified for it.
  const shown = thinking !== undefined && thinking !== "off";
  return {
    include: ["reasoning.encrypted_content"],
    ...(effort === undefined && !shown
      ? {}
      : {
          reasoning: {
            ...(effort === undefined ? {} : { effort }),
            ...(shown ? { summary: "auto" as const } : {}),
          },
        }),
  };
}

function textOf(wished: ResponseFormat | undefined, verbosity: ModelSettings["verbosity"]): Body {
  const format = formatOf(wished);
  if (format === undefined && verbosity === undefined) return {};
  return {
    text: { ...(format === undefined ? {} : { format }), ...(verbosity === undefined ? {} : { verbosity }) },
  };
}

function formatOf(format: ResponseFormat | undefined): OpenAI.Responses.ResponseFormatTextConfig | undefined {
  if (format === undefined || format.type === "text") return undefined;
  if (format.type === "json_object") return { type: "json_object" };
  const { name, description, schema, strict } = format.json_schema;
  return {
    type: "json_schema",
    name,
    ...(description === undefined ? {} : { description }),
    schema,
    ...(strict === undefined || strict === null ? {} : { strict }),
  };
}
