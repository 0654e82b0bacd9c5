/** One request to the API, sent again until it is answered, when it says so: what a careful program of its own would do. */
import { setTimeout as delay } from "node:timers/promises";
import { verdictOf } from "./verdict.ts";
import type { ClientWorld } from "./world.ts";

export interface Call {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: unknown;
  /** Sent as it is, instead of `body`. */
  readonly lines?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answered {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: each call has an answer of its own, and what is read of it is judged.
  readonly body: any;
}

interface Heard extends Answered {
  /** 0 when it does not say. */
  readonly retryAfterMs: number;
}

const ANSWER_MS_MAX = 30_000;
const PATIENCE_MS = 75_000;
const PAUSE_MS = 250;

/** Throws the last error when nothing answers for too long. */
export async function callApi(world: ClientWorld, call: Call): Promise<Answered> {
  const since = Date.now();
  for (;;) {
    let pauseMs = PAUSE_MS;
    try {
      const answered = await callOnce(world, call);
      if (!isForNow(answered.status) || Date.now() - since > PATIENCE_MS) return answered;
      pauseMs = Math.max(pauseMs, answered.retryAfterMs);
    } catch (error) {
      if (verdictOf(error).kind !== "again" || Date.now() - since > PATIENCE_MS) throw error;
    }
    await delay(pauseMs);
  }
}

/** Redis or the API is away, or so much is coming in that nothing more is taken. */
function isForNow(status: number): boolean {
  return status === 429 || status >= 502;
}

async function callOnce(
  { url, key }: ClientWorld,
  { method, path, body, lines, headers }: Call,
): Promise<Heard> {
  const sent = lines ?? (body === undefined ? undefined : JSON.stringify(body));
  const type = lines === undefined ? "application/json" : "application/x-ndjson";
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(sent === undefined ? {} : { "content-type": type }),
      ...headers,
    },
    ...(sent === undefined ? {} : { body: sent }),
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
  });
  const retryAfterMs = Number(response.headers.get("retry-after") ?? 0) * 1_000;
  return { status: response.status, body: JSON.parse(await response.text()), retryAfterMs };
}
