/**
 * Simulated models behind the real wire protocols: aimock serves OpenAI's and Anthropic's APIs on a loopback
 * port, streaming included; what is answered is computed from each request. Models named `claude…` write, all
 * others research. The replies say that they are simulated.
 *
 * S1. A reply follows from its request and the seed alone: the same request gets the same words. Only the ids
 *     of the response and of its tool calls are new each time, as with a real provider.
 * S2. Every reply that was sold stands in the journal, also when its client died before it could read it.
 */
import { randomUUID } from "node:crypto";
import { type ChatCompletionRequest, type FixtureResponse, LLMock } from "@copilotkit/aimock";
import { readConversation } from "./conversation.ts";
import { fingerprintOf, type JournalEntry } from "./journal.ts";
import type { SimulatedReply } from "./simulated-reply.ts";
import { research } from "./simulated-researcher.ts";
import { writeText } from "./simulated-writer.ts";

/** How fast replies stream. */
export interface Pace {
  readonly firstTokenMs: number;
  readonly tokensPerSecond: number;
}

/** A run of research and writing takes about five seconds. */
export const DEMO_PACE: Pace = { firstTokenMs: 400, tokensPerSecond: 250 };

export interface SimulatedModelsOptions {
  /** 0, the default, takes a free port. */
  readonly port?: number;
  /** Where to listen: loopback, unless this says otherwise. */
  readonly host?: string;
  /** Another seed gives other phrases. */
  readonly seed?: number;
  /** Without it, replies come as fast as they can. */
  readonly pace?: Pace;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

export interface SimulatedModels {
  readonly url: string;
  /** For `OPENAI_BASE_URL`. */
  readonly openaiBaseURL: string;
  /** For `ANTHROPIC_BASE_URL`. */
  readonly anthropicBaseURL: string;
  /** Every reply sold, in order; the latest 10,000. */
  journal(): readonly JournalEntry[];
  /** How many replies were sold of the model, by the name that its API uses. */
  callsOf(model: string): number;
  /** How many requests came in, those that were refused included: aimock's own count. */
  requestCount(): number;
  /** Takes no more requests and ends when the replies under way are sent. */
  close(): Promise<void>;
}

const JOURNAL_ENTRIES_MAX = 10_000;
const CHARS_PER_TOKEN = 4;
const TOKENS_PER_CHUNK = 3;

export async function startSimulatedModels(options: SimulatedModelsOptions = {}): Promise<SimulatedModels> {
  const { port = 0, host = "127.0.0.1", seed = 1, pace, now = Date.now } = options;
  const session = randomUUID().slice(0, 8);
  const entries: JournalEntry[] = [];
  let sold = 0;
  const server = new LLMock({
    port,
    host,
    strict: true,
    journalMaxEntries: JOURNAL_ENTRIES_MAX,
  });
  server.on(
    { predicate: () => true, endpoint: "chat" },
    (request) => {
      const reply = replyTo(request, seed);
      sold += 1;
      const responseId = `${isWriter(request.model) ? "msg" : "resp"}_simulated_${session}_${sold}`;
      const fingerprint = fingerprintOf(request);
      entries.push({
        number: sold,
        at: now(),
        model: request.model,
        step: reply.step,
        responseId,
        fingerprint,
      });
      if (entries.length > JOURNAL_ENTRIES_MAX) entries.shift();
      return responseOf(request, reply, responseId);
    },
    {
      chunkSize: CHARS_PER_TOKEN * TOKENS_PER_CHUNK,
      ...(pace === undefined ? {} : { streamingProfile: profileOf(pace) }),
    },
  );
  const url = await server.start();
  return {
    url,
    openaiBaseURL: `${url}/v1`,
    anthropicBaseURL: url,
    journal: () => [...entries],
    callsOf: (model) => entries.filter((entry) => entry.model === model).length,
    requestCount: () => server.getRequests().length,
    close: () => server.stop(),
  };
}

/** aimock counts in chunks; a chunk is a few tokens. */
function profileOf(pace: Pace): { ttft: number; tps: number } {
  return { ttft: pace.firstTokenMs, tps: pace.tokensPerSecond / TOKENS_PER_CHUNK };
}

function isWriter(model: string): boolean {
  return /\bclaude\b/.test(model);
}

function replyTo(request: ChatCompletionRequest, seed: number): SimulatedReply {
  const conversation = readConversation(request);
  return isWriter(request.model)
    ? writeText(conversation, request.model, seed)
    : research(conversation, request.model, seed);
}

/** The reply in aimock's form. Tokens are estimated from lengths, as both providers' rule of thumb has it. */
function responseOf(request: ChatCompletionRequest, reply: SimulatedReply, id: string): FixtureResponse {
  const toolCalls = reply.calls.map(({ name, arguments: args }) => ({
    name,
    arguments: JSON.stringify(args),
  }));
  const usage = {
    input_tokens: tokensIn(JSON.stringify([request.messages, request.tools ?? []])),
    output_tokens:
      tokensIn(reply.text) + tokensIn(toolCalls.map((call) => call.name + call.arguments).join("")),
  };
  if (toolCalls.length === 0) return { id, usage, content: reply.text };
  return reply.text === "" ? { id, usage, toolCalls } : { id, usage, content: reply.text, toolCalls };
}

function tokensIn(text: string): number {
  return Math.ceil(text.length / CHARS_PER_TOKEN);
}
