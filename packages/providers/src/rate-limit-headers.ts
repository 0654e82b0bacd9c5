/**
 * What an answer's headers say of the account's limits, in one meaning for all providers. OpenAI, and most that speak its
 * API, send `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` with resets as `6m0s`; Anthropic sends
 * `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}` with resets as dates. What a
 * header holds besides is taken as not said: a provider's slip must not end a call.
 */
import type { RateLimit, RateLimitReport } from "@baton/core";

type Field = "limit" | "remaining" | "reset";

/** The name of a header in one provider's way. */
type NameOf = (what: string, field: Field) => string;

const openAi: NameOf = (what, field) => `x-ratelimit-${field}-${what}`;
const anthropic: NameOf = (what, field) => `anthropic-ratelimit-${what}-${field}`;

/** Undefined when nothing was said of any limit. */
export function rateLimitsIn(headers: Headers): RateLimitReport | undefined {
  const inputTokens = limitIn(headers, anthropic, "input-tokens");
  const outputTokens = limitIn(headers, anthropic, "output-tokens");
  const report: RateLimitReport = {
    requests: limitIn(headers, anthropic, "requests") ?? limitIn(headers, openAi, "requests"),
    // Anthropic's sum leaves out what was read from a cache, and bounds no more than the two others do.
    tokens:
      inputTokens === undefined && outputTokens === undefined
        ? (limitIn(headers, anthropic, "tokens") ?? limitIn(headers, openAi, "tokens"))
        : undefined,
    inputTokens,
    outputTokens,
  };
  return Object.values(report).every((limit) => limit === undefined) ? undefined : report;
}

/** Without the limit itself, what is left of it says nothing. A limit of 0 means that there is none. */
function limitIn(headers: Headers, nameOf: NameOf, what: string): RateLimit | undefined {
  const limit = count(headers.get(nameOf(what, "limit")));
  if (limit === undefined || limit === 0) return undefined;
  const remaining = count(headers.get(nameOf(what, "remaining")));
  const resetMs = duration(headers.get(nameOf(what, "reset")), headers.get("date"));
  return { limit, remaining, resetMs };
}

function count(text: string | null): number | undefined {
  return text !== null && /^\s*\d{1,15}\s*$/.test(text) ? Number(text) : undefined;
}

const UNIT_MS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };
/** Past this it is no wait that anybody means. */
const RESET_MS_MAX = 86_400_000;

/** `1h2m3.5s`, `20ms`, bare seconds, or a date, which is read against the answer's own, so that a wrong clock does no harm. */
function duration(text: string | null, date: string | null): number | undefined {
  const said = text?.trim() ?? "";
  if (/^\d+(\.\d+)?$/.test(said)) return bounded(Number(said) * 1_000);
  if (/^(\d+(\.\d+)?(ms|[dhms]))+$/.test(said)) {
    const parts = [...said.matchAll(/(\d+(?:\.\d+)?)(ms|[dhms])/g)];
    return bounded(
      parts.reduce((sum, [, value, unit = ""]) => sum + Number(value) * (UNIT_MS[unit] ?? 0), 0),
    );
  }
  if (!/^\d{4}-\d\d-\d\dT/.test(said)) return undefined;
  const wait = Date.parse(said) - Date.parse(date ?? "");
  return Number.isNaN(wait) ? undefined : bounded(Math.max(0, wait));
}

function bounded(ms: number): number {
  return Math.min(RESET_MS_MAX, Math.ceil(ms));
}
