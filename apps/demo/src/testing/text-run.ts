/**
 * Drives a whole run as a client of both APIs would: research with the `openai` SDK, the tools over a real MCP
 * session, then the handoff and the writing with the Anthropic SDK. For tests.
 */
import Anthropic from "@anthropic-ai/sdk";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import OpenAI from "openai";
import { z } from "zod";
import { DOCUMENT_SERVER_PATH, DOCUMENTS_PATH } from "../index.ts";
import type { SimulatedModels } from "../simulated-models.ts";

export const TRANSFER_TOOL = "transfer_to_anthropic_claude_opus_4_5";
const TURNS_MAX = 10;

const textContent = z.object({ content: z.array(z.object({ type: z.literal("text"), text: z.string() })) });
const handoffArguments = z.object({ reason: z.string(), brief: z.string() });
const anyArguments = z.record(z.string(), z.unknown());

export type CallTool = (name: string, args: Record<string, unknown>) => Promise<string>;

export interface Research {
  readonly rounds: readonly (readonly {
    readonly name: string;
    readonly result: string;
    readonly id: string;
    readonly args: Record<string, unknown>;
  }[])[];
  readonly text: string;
  /** None when the researcher answered by itself. */
  readonly handoff: z.infer<typeof handoffArguments> | undefined;
  readonly inputTokens: number;
}

/** An MCP client of a document server that runs as a child; closing the client ends the child. */
export async function connectDocuments(): Promise<{ client: Client; transport: StdioClientTransport }> {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [DOCUMENT_SERVER_PATH, DOCUMENTS_PATH],
  });
  const client = new Client({ name: "test", version: "0" });
  await client.connect(transport);
  return { client, transport };
}

export function callOver(client: Client): CallTool {
  return async (name, args) => {
    const result = textContent.parse(await client.callTool({ name, arguments: args }));
    return result.content.map((part) => part.text).join("");
  };
}

export function openaiOf(models: SimulatedModels): OpenAI {
  return new OpenAI({ baseURL: models.openaiBaseURL, apiKey: "none", maxRetries: 0 });
}

export function anthropicOf(models: SimulatedModels): Anthropic {
  return new Anthropic({ baseURL: models.anthropicBaseURL, apiKey: "none", maxRetries: 0 });
}

const TOOLS = ["search_documents", "read_document", TRANSFER_TOOL];

/** The researching phase: calls tools until the model hands over or only writes. */
export async function research(
  models: SimulatedModels,
  task: string,
  callTool: CallTool,
  toolNames: readonly string[] = TOOLS,
): Promise<Research> {
  const openai = openaiOf(models);
  const tools = toolNames.map((name) => ({ type: "function" as const, name, parameters: {}, strict: false }));
  const input: OpenAI.Responses.ResponseInputItem[] = [{ role: "user", content: task }];
  const rounds: Research["rounds"][number][] = [];
  for (let turn = 0; turn < TURNS_MAX; turn += 1) {
    const response = await openai.responses
      .stream({ model: "gpt-5.2", input, tools, store: false, include: ["reasoning.encrypted_content"] })
      .finalResponse();
    const calls = response.output.filter((item) => item.type === "function_call");
    const transfer = calls.find((call) => call.name === TRANSFER_TOOL);
    if (transfer !== undefined || calls.length === 0) {
      const handoff = transfer && handoffArguments.parse(JSON.parse(transfer.arguments));
      return { rounds, handoff, text: response.output_text, inputTokens: response.usage?.input_tokens ?? 0 };
    }
    const round = await Promise.all(
      calls.map(async (call) => {
        const args = anyArguments.parse(JSON.parse(call.arguments));
        return { id: call.call_id, name: call.name, args, result: await callTool(call.name, args) };
      }),
    );
    rounds.push(round);
    input.push(
      // What a response put out goes back as it is; the stream's type for it only has parsed fields more.
      ...(response.output as OpenAI.Responses.ResponseInputItem[]),
      ...round.map(({ id, result }) => ({
        type: "function_call_output" as const,
        call_id: id,
        output: result,
      })),
    );
  }
  throw new Error(`no end after ${TURNS_MAX} turns`);
}

/** The writing phase, as it sees the research: foreign tool rounds, closed, then the brief as a user message. */
export async function write(
  models: SimulatedModels,
  task: string,
  found: Research,
): Promise<{ text: string; deltas: number; inputTokens: number; outputTokens: number }> {
  const messages: Anthropic.MessageParam[] = [{ role: "user", content: task }];
  for (const round of found.rounds) {
    messages.push(
      {
        role: "assistant",
        content: round.map(({ id, name, args }) => ({ type: "tool_use", id, name, input: args })),
      },
      {
        role: "user",
        content: round.map(({ id, result }) => ({ type: "tool_result", tool_use_id: id, content: result })),
      },
    );
  }
  messages.push(
    { role: "assistant", content: found.text },
    { role: "user", content: `Control has been handed over.\nBrief: ${found.handoff?.brief ?? ""}` },
  );
  let deltas = 0;
  const message = await anthropicOf(models)
    .messages.stream({ model: "claude-opus-4-5", max_tokens: 4_000, messages })
    .on("text", () => {
      deltas += 1;
    })
    .finalMessage();
  const text = message.content.map((block) => (block.type === "text" ? block.text : "")).join("");
  return { text, deltas, inputTokens: message.usage.input_tokens, outputTokens: message.usage.output_tokens };
}
