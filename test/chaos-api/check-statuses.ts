/** `statuses`: what the API answered is what docs/http-api.md and docs/openai-compatible.md say that it may. */
import type { Breach } from "./judge.ts";
import type { ApiStories, Bound, Exchange } from "./stories.ts";

/** What is wrong for a moment: it says when to come again. */
const AWAY: ReadonlySet<string> = new Set(["redis_unreachable", "shutting_down"]);
/** What a run ended with, or waits for, as clients of OpenAI and Dedalus are told it. */
const OF_RUN: Readonly<Record<string, number>> = {
  provider_rejected: 400,
  cancelled: 409,
  run_waiting: 409,
  provider_auth: 502,
  provider_unreachable: 502,
  provider_protocol: 502,
  provider_overloaded: 503,
  no_worker: 503,
  provider_timeout: 504,
};

export function checkStatuses({ exchanges, bounds }: ApiStories): readonly Breach[] {
  return exchanges.flatMap((exchange) => {
    const what = wrongWith(exchange, bounds.get(exchange.key ?? ""));
    if (what === undefined) return [];
    const { method, path, status, code = "no code" } = exchange;
    return [{ check: "statuses", where: `${method} ${path}`, what: `${status} ${code}: ${what}` }];
  });
}

function wrongWith(exchange: Exchange, bound: Bound | undefined): string | undefined {
  const { method, path, status, code, retryAfter, shouldRetry } = exchange;
  if (status < 400) return undefined;
  // The MCP client asks whether the server has a stream of its own, which it has not.
  if (path === "/mcp" && method === "GET" && status === 405) return undefined;
  if (code !== undefined && AWAY.has(code)) {
    if (status !== 503) return "this is told by 503";
    if (!(Number(retryAfter) > 0)) return "it does not say when to come again";
    return shouldRetry === "false" ? "clients are told not to come again" : undefined;
  }
  // There are so many places for files that come in; a file whose sender was cut off holds its place for a while.
  if (path === "/v1/batches" && status === 429 && code === "rate_limited") {
    return Number(retryAfter) > 0 ? undefined : "it does not say when to come again";
  }
  if (isOfBound(exchange, bound)) {
    if (code === "budget") return undefined;
    if (!(Number(retryAfter) > 0)) return "it does not say when to come again";
    return shouldRetry === "false" ? "clients are told not to come again" : undefined;
  }
  const isAnswer = path === "/v1/chat/completions" || path === "/v1/responses";
  if (isAnswer && code !== undefined && OF_RUN[code] === status) {
    return shouldRetry === "false" ? undefined : "clients would ask a run again that has ended or waits";
  }
  // It ended, went on, or was put back to work meanwhile.
  const isAct = /\/(cancel|pause|resume|retry)$/.test(path);
  if (isAct && status === 409 && (code === "not_possible" || code === "conflict")) return undefined;
  return "nobody asked for that";
}

/** Whether it was refused for what its key is bound to; that there was a cause is the matter of `bounds`. */
function isOfBound({ method, status, code }: Exchange, bound: Bound | undefined): boolean {
  switch (bound?.kind) {
    case "rpm":
      return status === 429 && code === "rate_limited";
    case "max_live":
      return status === 429 && code === "rate_limited" && method === "POST";
    case "budget":
      return status === 402 && code === "budget" && method === "POST";
    case undefined:
      return false;
  }
}
