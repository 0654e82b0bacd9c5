/**
 * A provider that speaks Chat Completions and enforces limits, as a rolling window or as a token bucket that is filled
 * evenly. It remembers when it was asked for how much, and answers with 429 what goes beyond.
 */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Enforced {
  readonly kind: "rolling" | "bucket";
  readonly windowMs: number;
  readonly requests: number;
  readonly tokens: number;
}

export interface Arrival {
  readonly at: number;
  readonly tokens: number;
  readonly isRefused: boolean;
}

export interface EnforcingServer extends AsyncDisposable {
  readonly url: string;
  readonly arrivals: readonly Arrival[];
  /** Most calls under way at once. */
  readonly mostAtOnce: number;
  /** Asks as somebody else, with the same account. */
  useUp(tokens: number): void;
}

export interface ServerOptions {
  readonly limits: Enforced | undefined;
  /** Says its limits in OpenAI's headers. */
  readonly headers?: boolean;
  readonly replyMs?: number;
  /** Output tokens of the n-th call. */
  readonly outputOf?: (call: number) => number;
  /** Bare 429s, without a word on limits, until so many were sent. */
  readonly refusals?: number;
}

export const PROMPT_TOKENS = 10;

export async function enforcingServer(options: ServerOptions): Promise<EnforcingServer> {
  const { limits, replyMs = 40, outputOf = () => 10 } = options;
  const arrivals: Arrival[] = [];
  const others: { at: number; tokens: number }[] = [];
  const bucket = { at: performance.now(), requests: limits?.requests ?? 0, tokens: limits?.tokens ?? 0 };
  let atOnce = 0;
  let mostAtOnce = 0;

  const left = (now: number): { readonly requests: number; readonly tokens: number } => {
    if (limits === undefined) return { requests: Infinity, tokens: Infinity };
    if (limits.kind === "bucket") {
      const share = (now - bucket.at) / limits.windowMs;
      bucket.at = now;
      bucket.requests = Math.min(limits.requests, bucket.requests + share * limits.requests);
      bucket.tokens = Math.min(limits.tokens, bucket.tokens + share * limits.tokens);
      return bucket;
    }
    const counted = [...arrivals.filter(({ isRefused }) => !isRefused), ...others];
    const recent = counted.filter(({ at }) => at > now - limits.windowMs);
    const used = recent.reduce((sum, { tokens }) => sum + tokens, 0);
    return { requests: limits.requests - recent.length, tokens: limits.tokens - used };
  };

  const sayLimits = (response: ServerResponse, now: number): void => {
    if (limits === undefined || options.headers !== true) return;
    const now_ = left(now);
    for (const what of ["requests", "tokens"] as const) {
      const remaining = Math.max(0, Math.floor(now_[what]));
      response.setHeader(`x-ratelimit-limit-${what}`, String(limits[what]));
      response.setHeader(`x-ratelimit-remaining-${what}`, String(remaining));
      const share = limits.kind === "rolling" ? 1 : 1 - remaining / limits[what];
      const resetMs = share * limits.windowMs;
      response.setHeader(`x-ratelimit-reset-${what}`, `${Math.ceil(resetMs)}ms`);
    }
  };

  const answer = (response: ServerResponse): void => {
    const now = performance.now();
    const output = outputOf(arrivals.length);
    const tokens = PROMPT_TOKENS + output;
    const { requests, tokens: room } = left(now);
    const isBare = arrivals.length < (options.refusals ?? 0);
    const isRefused = isBare || requests < 1 || room < tokens;
    arrivals.push({ at: now, tokens, isRefused });
    if (!isRefused && limits?.kind === "bucket") {
      bucket.requests -= 1;
      bucket.tokens -= tokens;
    }
    sayLimits(response, now);
    if (isRefused) {
      response.writeHead(429, { "content-type": "application/json", "retry-after-ms": "200" });
      response.end(JSON.stringify({ error: { type: "rate_limit_error", message: "too many" } }));
      return;
    }
    atOnce += 1;
    mostAtOnce = Math.max(mostAtOnce, atOnce);
    setTimeout(() => {
      atOnce -= 1;
      reply(response, output);
    }, replyMs);
  };

  const server = createServer((incoming, response) => {
    incoming.resume();
    incoming.on("end", () => answer(response));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  // A server that listens on a port has an address of this kind.
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    arrivals,
    get mostAtOnce() {
      return mostAtOnce;
    },
    useUp(tokens) {
      others.push({ at: performance.now(), tokens });
      bucket.tokens -= tokens;
      bucket.requests -= 1;
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

function reply(response: ServerResponse, output: number): void {
  const usage = {
    prompt_tokens: PROMPT_TOKENS,
    completion_tokens: output,
    total_tokens: PROMPT_TOKENS + output,
  };
  const chunks = [
    {
      id: "c1",
      choices: [{ index: 0, delta: { role: "assistant", content: "done" }, finish_reason: "stop" }],
    },
    { id: "c1", choices: [], usage },
  ];
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const chunk of chunks) response.write(`data: ${JSON.stringify(chunk)}\n\n`);
  response.end("data: [DONE]\n\n");
}

/** The most that any window saw, refused or not. */
export function mostInWindow(
  arrivals: readonly Arrival[],
  windowMs: number,
  amountOf: (arrival: Arrival) => number,
): number {
  let most = 0;
  let sum = 0;
  let first = 0;
  for (const arrival of arrivals) {
    sum += amountOf(arrival);
    for (let oldest = arrivals[first]; oldest !== undefined && oldest.at <= arrival.at - windowMs; ) {
      sum -= amountOf(oldest);
      first += 1;
      oldest = arrivals[first];
    }
    most = Math.max(most, sum);
  }
  return most;
}

/** What was asked for in the first `windows` windows, of what was allowed in them. */
export function shareUsed(
  arrivals: readonly Arrival[],
  {
    windowMs,
    windows,
    limit,
  }: { readonly windowMs: number; readonly windows: number; readonly limit: number },
  amountOf: (arrival: Arrival) => number,
): number {
  const start = arrivals[0]?.at ?? 0;
  const counted = arrivals.filter(({ at, isRefused }) => !isRefused && at < start + windows * windowMs);
  return counted.reduce((sum, arrival) => sum + amountOf(arrival), 0) / (limit * windows);
}
