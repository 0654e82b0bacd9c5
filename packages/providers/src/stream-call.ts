/**
 * One streamed model call, the same for all APIs: one request, its events into a reader, and whatever goes wrong
 * as a `BatonError` or as the reason of the caller's signal.
 */
import {
  BatonError,
  type ModelDelta,
  type ModelReply,
  type ModelRequest,
  type Origin,
  type Part,
  type StopReason,
  type Usage,
} from "@baton/core";
import { type CallLimits, guardCall } from "./call-guard.ts";
import { type CallContext, failureOf, headersOf, protocolFailure } from "./failure.ts";
import { rateLimitsIn } from "./rate-limit-headers.ts";
import { readEvents, type SseEvent } from "./sse.ts";

/** What an API's reader made of a stream. */
export interface ReadReply {
  readonly parts: readonly Part[];
  readonly stopReason: StopReason;
  readonly usage: Usage;
  readonly responseId: string | undefined;
  readonly answeredBy: string | undefined;
}

export interface StreamReader {
  /** Takes one event; true when it was the last that matters. */
  read(event: SseEvent): boolean;
  /** Whether the stream may end here without a last event. */
  mayEnd(): boolean;
  reply(): ReadReply;
}

export interface StreamCall {
  readonly context: CallContext;
  readonly request: ModelRequest;
  readonly limits: CallLimits;
  readonly signal: AbortSignal;
  readonly api: Origin["api"];
  readonly send: (signal: AbortSignal) => Promise<Response>;
  readonly reader: StreamReader;
  /** Hears what the answer says of the account's limits, also when it is a refusal. */
  readonly onDelta: (delta: ModelDelta) => void;
}

export async function streamCall(call: StreamCall): Promise<ModelReply> {
  call.signal.throwIfAborted();
  const guard = guardCall(call.request, call.limits, call.signal);
  try {
    await readAll(call, await send(call, guard.signal), guard.touch);
    return complete(call, call.reader.reply());
  } catch (thrown) {
    if (guard.signal.aborted) throw guard.signal.reason;
    throw thrown;
  } finally {
    guard.dispose();
  }
}

async function send(call: StreamCall, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  let response: Response;
  try {
    response = await call.send(signal);
  } catch (thrown) {
    tellLimits(call, headersOf(thrown));
    throw failureOf(thrown, call.context);
  }
  tellLimits(call, response.headers);
  if (response.body === null) throw protocolFailure("sent an answer without a body", call.context);
  return response.body;
}

function tellLimits(call: StreamCall, headers: Headers | undefined): void {
  const report = headers === undefined ? undefined : rateLimitsIn(headers);
  if (report !== undefined) call.onDelta({ kind: "rate_limit", report });
}

async function readAll(
  call: StreamCall,
  body: ReadableStream<Uint8Array>,
  onBytes: () => void,
): Promise<void> {
  onBytes();
  for await (const event of eventsOf(call, body, onBytes)) if (call.reader.read(event)) return;
  if (!call.reader.mayEnd()) throw protocolFailure("ended its reply before it was whole", call.context);
}

/** Only what breaks on the wire is the provider's doing; what the reader or its listener throws passes as it is. */
async function* eventsOf(
  { context }: StreamCall,
  body: ReadableStream<Uint8Array>,
  onBytes: () => void,
): AsyncGenerator<SseEvent, void, undefined> {
  try {
    yield* readEvents(body, onBytes);
  } catch (thrown) {
    throw thrown instanceof BatonError ? thrown : protocolFailure("broke off its reply", context, thrown);
  }
}

function complete({ context, api }: StreamCall, read: ReadReply): ModelReply {
  const calls = read.parts.some((part) => part.type === "tool_call");
  const stopReason = stopReasonOf(read.stopReason, calls);
  const says = calls || read.parts.some((part) => part.type === "text" && part.text.trim() !== "");
  if (stopReason === "end" && !says) throw protocolFailure("sent an empty reply", context);
  const provider = context.model.slice(0, context.model.indexOf("/"));
  return {
    parts: read.parts,
    stopReason,
    usage: read.usage,
    origin: {
      provider,
      api,
      model: context.model,
      ...(read.responseId === undefined ? {} : { responseId: read.responseId }),
    },
    answeredBy: read.answeredBy,
  };
}

/** Some servers say `stop` where they call tools, or the other way round: what is there decides. */
function stopReasonOf(told: StopReason, calls: boolean): StopReason {
  if (told === "end" && calls) return "tool_use";
  if (told === "tool_use" && !calls) return "end";
  return told;
}
