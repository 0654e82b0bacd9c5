/**
 * The simulated providers of a chaos run, in a process of their own that is never hit: OpenAI's Responses API and
 * Anthropic's Messages API on one port. It prints `ready <port>` and ends with its standard input. Options:
 * `--folder`, where each request is written down once it is over; `--essay`, how many characters an answer has beside its
 * nonce (0, the default: a few words); `--no-rates`, which says that it is overloaded where it would speak of too many requests.
 *
 * P1. A request is judged by the rules of the real API before anything else; one that breaks them gets a 400.
 * P2. A reply is sold when its last byte was handed to the system, and at no other time.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { modelIdSchema, transferToolName } from "@baton/core";
import { z } from "zod";
import { anthropicViolations } from "../../packages/providers/src/test-support/anthropic-rules.ts";
import { responsesViolations } from "../../packages/providers/src/test-support/responses-rules.ts";
import { writeLine } from "./files.ts";
import type { Purchase } from "./history.ts";
import { CALLER_TOOL, callerAsksOf, marksIn, type PlannedCall, type ToolName } from "./jobs.ts";
import { type Decision, decisionOf, nonceOf, placeMark, placeOf } from "./provider-plan.ts";
import { fractionOf } from "./random.ts";
import { messagesPieces } from "./wire-messages.ts";
import type { WireCall, WireReply } from "./wire-reply.ts";
import { responsesPieces } from "./wire-responses.ts";

const { values } = parseArgs({
  options: {
    folder: { type: "string" },
    essay: { type: "string", default: "0" },
    rates: { type: "boolean", default: true },
  },
  allowNegative: true,
});
const folder = values.folder ?? "";
const essayChars = Number(values.essay);

const HANG_MS_MAX = 20_000;
const RETRY_AFTER_MS = "700";

interface Api {
  readonly name: Purchase["api"];
  readonly provider: string;
  readonly violations: (body: unknown) => readonly string[];
  readonly pieces: (reply: WireReply) => readonly string[];
  /** Whether this model shows its thinking when the request says `body`. */
  readonly thinks: (body: Body) => boolean;
}

const bodySchema = z.looseObject({
  model: z.string(),
  tools: z.array(z.looseObject({ name: z.string() })).default([]),
  thinking: z.looseObject({ type: z.string() }).optional(),
});
type Body = z.infer<typeof bodySchema>;

const APIS: Readonly<Record<string, Api>> = {
  "/openai/v1/responses": {
    name: "openai-responses",
    provider: "openai",
    violations: responsesViolations,
    pieces: responsesPieces,
    thinks: ({ model }) => model.startsWith("gpt-5"),
  },
  "/anthropic/v1/messages": {
    name: "anthropic-messages",
    provider: "anthropic",
    violations: anthropicViolations,
    pieces: messagesPieces,
    thinks: ({ thinking }) => thinking?.type === "enabled" || thinking?.type === "adaptive",
  },
};

let count = 0;
const attempts = new Map<string, number>();

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => {
    writeLine(folder, "notes", { at: Date.now(), note: `the provider broke: ${String(error)}` });
    response.destroy();
  });
});
server.listen(0, "127.0.0.1", () => {
  // A server that listens on a port has an address of this kind.
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`ready ${port}\n`);
});
process.stdin.once("end", () => process.exit(0));
process.stdin.resume();

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const at = Date.now();
  const text = await textOf(request);
  const path = (request.url ?? "").replace(/\?.*/, "");
  const api = APIS[path];
  const marks = marksIn(text);
  const mark = marks.at(-1);
  if (api === undefined || mark === undefined)
    throw new Error(`nobody asks for ${path} with ${text.slice(0, 200)}`);
  const body = bodySchema.parse(JSON.parse(text));
  // What stands before its own mark is of the conversation that it goes on from.
  const { place, shown } = placeOf(text.slice(text.indexOf(mark)));
  const attempt = attempts.get(`${mark}/${place}`) ?? 0;
  attempts.set(`${mark}/${place}`, attempt + 1);
  count += 1;
  const nonce = nonceOf(place, count);
  const decision = toldAs(decisionOf(mark, place, attempt));
  const broken = [...api.violations(body), ...(keyOf(request).startsWith("sk-") ? [] : ["no key"])];
  const invalid = broken.length > 0 ? broken.join("; ") : undefined;
  const { fault } = decision;
  response.once("close", () => {
    const purchase: Purchase = {
      at,
      ...(response.writableFinished && fault === undefined && invalid === undefined
        ? { soldAt: Date.now() }
        : {}),
      api: api.name,
      model: `${api.provider}/${body.model}`,
      mark,
      replies: shown,
      nonce,
      ...(fault === undefined ? {} : { fault }),
      ...(invalid === undefined ? {} : { invalid }),
    };
    writeLine(folder, "purchases", {
      ...purchase,
      closedAt: Date.now(),
      attempt,
      worker: request.headers["x-chaos-worker"],
    });
  });
  if (invalid !== undefined) refuse(response, 400, "invalid_request_error", invalid);
  else {
    const asked = { nonce, inputChars: text.length, asksCaller: asksCaller(body, marks) };
    await play(response, api, decision, replyOf(api, body, decision, asked), request);
  }
}

async function play(
  response: ServerResponse,
  api: Api,
  decision: Decision,
  reply: WireReply,
  request: IncomingMessage,
): Promise<void> {
  const { fault, latencyMs } = decision;
  switch (fault) {
    case "error":
      // Providers do echo keys.
      return refuse(response, 500, "api_error", `something broke for ${keyOf(request)}`);
    case "overloaded":
      return refuse(response, api.provider === "openai" ? 503 : 529, "overloaded_error", "try later");
    case "rate_limited":
      return refuse(response, 429, "rate_limit_error", "too many requests");
    case "rejected":
      return refuse(response, 400, "invalid_request_error", "this prompt is not liked");
    case "hang":
      await Promise.race([delay(HANG_MS_MAX, undefined, { ref: false }), closeOf(response)]);
      response.destroy();
      return;
    case "empty":
      return stream(
        response,
        api.pieces({ ...reply, thought: undefined, text: "", calls: [] }),
        latencyMs,
        "",
      );
    case "cut":
    case "garbage": {
      const pieces = api.pieces(reply);
      const half = pieces.slice(0, Math.ceil(pieces.length / 2));
      if (fault === "garbage") return stream(response, half, latencyMs, "data: {not json\n\n");
      await stream(response, half, latencyMs, undefined);
      response.destroy();
      return;
    }
    case undefined:
      return stream(response, api.pieces(reply), latencyMs, "");
  }
}

function toldAs(decision: Decision): Decision {
  if (values.rates || decision.fault !== "rate_limited") return decision;
  return { ...decision, fault: "overloaded" };
}

/** Spreads the pieces over the time. `last` follows them and ends the stream; without it the stream stays open. */
async function stream(
  response: ServerResponse,
  pieces: readonly string[],
  latencyMs: number,
  last: string | undefined,
): Promise<void> {
  await delay(latencyMs / 3);
  if (response.destroyed) return;
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const [place, piece] of pieces.entries()) {
    // Nothing lies between the last piece and the end: the reply is whole with it, and its reader may leave.
    if (place > 0) await delay((latencyMs * 2) / 3 / pieces.length);
    if (response.destroyed) return;
    response.write(piece);
  }
  if (last !== undefined) response.end(last);
}

function refuse(response: ServerResponse, status: number, type: string, message: string): void {
  const headers = status === 429 ? { "retry-after-ms": RETRY_AFTER_MS } : {};
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify({ type: "error", error: { type, message } }));
}

interface Asked {
  readonly nonce: string;
  readonly inputChars: number;
  /** Instead of the answer, a function of the caller's is called. */
  readonly asksCaller: boolean;
}

function asksCaller({ tools }: Body, marks: readonly string[]): boolean {
  return tools.some(({ name }) => name === CALLER_TOOL) && marks.length <= callerAsksOf(marks[0] ?? "");
}

function replyOf(
  api: Api,
  body: Body,
  decision: Decision,
  { nonce, inputChars, asksCaller }: Asked,
): WireReply {
  const { job, step, place, thinks } = decision;
  const id = nonce.replaceAll(".", "-");
  const transfer = step.kind === "transfer" ? transferOf(body, step.to, job.mark, place) : undefined;
  const planned = step.kind === "text" ? [] : step.calls;
  const work = [...planned.map((call) => callOf(body, call, job.mark, nonce)), ...(transfer ?? [])];
  const calls = work.length === 0 && asksCaller ? callerCallsOf(body, job.mark, nonce) : work;
  const says = saysOf(calls.length === 0, job.mark, nonce);
  return {
    id,
    model: body.model,
    thought: thinks && api.thinks(body) ? `Let me think about ${job.mark}, step by step.` : undefined,
    // The nonce of a transfer stands in what is said alone: its arguments are shown to the next model again.
    text: calls.length === 0 || transfer !== undefined || thinks ? `${says} (${nonce}).` : "",
    calls: calls.map((call, number) => ({ ...call, id: `call-${id}-${number}` })),
    inputTokens: Math.ceil(inputChars / 4),
    outputTokens: 40,
  };
}

/** Long ones differ from attempt to attempt at a place of their own; some speak at length before they go on, too. */
function saysOf(isAnswer: boolean, mark: string, nonce: string): string {
  const opening = isAnswer ? `What is known about ${mark}, written up in a few words` : "I go on";
  if (essayChars === 0 || (!isAnswer && fractionOf(nonce, "speaks") >= 0.2)) return opening;
  const sentence = ` What ${mark} is, was and will be has been asked before 🜂.`;
  const essay = sentence.repeat(Math.ceil(essayChars / sentence.length));
  const turn = Math.floor(fractionOf(nonce, "turn") * essay.length);
  // Letters alone: the nonce itself stands once, at the end.
  const own = [...nonce].map((char) => String.fromCharCode(97 + (char.charCodeAt(0) % 26))).join("");
  return `${opening}.${essay.slice(0, turn)} ${own} ${essay.slice(turn)}`;
}

function callOf(body: Body, { tool, ms }: PlannedCall, mark: string, nonce: string): Omit<WireCall, "id"> {
  return { name: nameOf(body, tool), input: { mark, nonce, ms } };
}

/** One or two, and now and then one that the run makes itself. */
function callerCallsOf(body: Body, mark: string, nonce: string): readonly Omit<WireCall, "id">[] {
  const count = fractionOf(nonce, "two") < 0.3 ? 2 : 1;
  const asked = Array.from({ length: count }, (_, number) => ({
    name: CALLER_TOOL,
    input: { question: `What is ${mark}, part ${number}?`, nonce },
  }));
  if (fractionOf(nonce, "together") >= 0.3) return asked;
  return [callOf(body, { tool: "lookup", ms: 50 }, mark, nonce), ...asked];
}

function nameOf(body: Body, tool: ToolName): string {
  // A server that was down when the tools were listed does not change what the model wants.
  return body.tools.find(({ name }) => name === tool || name.endsWith(`__${tool}`))?.name ?? tool;
}

function transferOf(body: Body, to: string, mark: string, place: number): readonly Omit<WireCall, "id">[] {
  const name = transferToolName(modelIdSchema.parse(to));
  if (!body.tools.some((tool) => tool.name === name)) return [];
  return [
    { name, input: { reason: "the research is done", brief: `Write up ${mark} (${placeMark(place + 1)}).` } },
  ];
}

/** Both SDKs send it as a bearer; older ones of Anthropic's had a header of its own. */
function keyOf({ headers }: IncomingMessage): string {
  return String(headers["x-api-key"] ?? headers.authorization ?? "").replace(/^Bearer /, "");
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = "";
  request.setEncoding("utf8");
  for await (const piece of request) text += piece;
  return text;
}

function closeOf(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => response.once("close", resolve));
}
