/** What a client makes of an error: ask again, or the end of it. The rules are those of docs/openai-compatible.md. */
import { BatonError } from "@baton/core";
import { Dedalus } from "dedalus-labs";
import OpenAI from "openai";
import type { Outcome } from "../stories.ts";

export type Verdict = Outcome | { readonly kind: "again"; readonly why: string; readonly afterMs?: number };

/** Somebody has to act first, or Redis or the API has to be there again. */
const PASSING = new Set([
  "run_waiting",
  "no_worker",
  "redis_unreachable",
  "shutting_down",
  "server_unreachable",
  "rate_limited",
]);

const NETWORK =
  /terminated|fetch failed|other side closed|ECONN|EPIPE|socket|aborted|timed? ?out|redis_unreachable|shutting_down/i;

export function verdictOf(error: unknown): Verdict {
  if (error instanceof OpenAI.APIError || error instanceof Dedalus.APIError) return ofClientError(error);
  if (error instanceof BatonError) {
    return PASSING.has(error.code) ? again(error) : { kind: "refused", code: error.code };
  }
  if (isNetworkError(error)) return again(error);
  return { kind: "gave_up", why: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

interface ClientError extends Error {
  readonly status?: number | undefined;
  readonly error?: unknown;
  readonly headers?: Headers | undefined;
}

function ofClientError(error: ClientError): Verdict {
  const code = codeIn(error.error);
  if (code !== undefined) return PASSING.has(code) ? again(error, error.headers) : { kind: "refused", code };
  // Without a status no answer came, or it broke off.
  if (error.status === undefined) return again(error);
  return { kind: "gave_up", why: `${error.status} without a code: ${error.message}` };
}

function codeIn(body: unknown): string | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  // Dedalus' client has the whole body, OpenAI's the error in it.
  if ("error" in body) return codeIn(body.error);
  return "code" in body && typeof body.code === "string" ? body.code : undefined;
}

/** What Node's fetch and its streams throw when a connection breaks; libraries put their own words around it, or the API's. */
function isNetworkError(error: unknown): error is Error {
  for (let one = error, depth = 0; one instanceof Error && depth < 5; one = one.cause, depth += 1) {
    if (NETWORK.test(one.message)) return true;
  }
  return false;
}

function again(error: Error, headers?: Headers): Verdict {
  const seconds = Number(headers?.get("retry-after") ?? 0);
  return {
    kind: "again",
    why: `${error.name}: ${error.message}`,
    ...(seconds > 0 ? { afterMs: seconds * 1_000 } : {}),
  };
}
