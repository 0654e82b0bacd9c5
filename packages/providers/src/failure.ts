/**
 * Whatever went wrong with a model call, as a `BatonError` with its code and retry class (DESIGN §8). Messages
 * are made of the provider's name, the status, and the provider's own sentence, redacted (R9).
 */
import { BatonError, type ErrorCode, type ModelId, type Retry, retryAfter, splitModelId } from "@baton/core";
import { z } from "zod";
import { isRecord } from "./parse-arguments.ts";
import { type Redact, redactedCause } from "./redact.ts";

export interface CallContext {
  readonly model: ModelId;
  /** The environment variable that holds the key, for the sentence that helps. */
  readonly apiKeyName: string | undefined;
  readonly redact: Redact;
}

/** What a provider says of an error, whichever shape it comes in. */
export interface ProviderError {
  readonly status?: number | undefined;
  readonly type?: string | undefined;
  readonly code?: string | undefined;
  readonly message?: string | undefined;
  readonly headers?: Headers | undefined;
  readonly cause?: unknown;
}

type Verdict = readonly [code: ErrorCode, retry: "never" | "backoff"];

const SENTENCE_CHARS_MAX = 500;

/** An error of an SDK or of the network. What is a `BatonError` already is passed on. */
export function failureOf(thrown: unknown, context: CallContext): BatonError {
  if (thrown instanceof BatonError) return thrown;
  const answer = answerOf(thrown);
  if (answer !== undefined) return providerFailure(answer, context);
  const { provider } = splitModelId(context.model);
  const reason = context.redact(innermost(thrown));
  const timedOut = /timeout|timed out/i.test(reason);
  const code = timedOut ? "provider_timeout" : "provider_unreachable";
  return new BatonError(code, `${provider} could not be reached: ${reason}`, {
    retry: "backoff",
    fields: { provider, model: context.model },
    cause: redactedCause(thrown, context.redact),
  });
}

/** An error that the provider told: by its HTTP status, or inside a stream that began well. */
export function providerFailure(error: ProviderError, context: CallContext): BatonError {
  const { provider } = splitModelId(context.model);
  const [code, retry] = verdictOf(error);
  const named = error.code ?? error.type;
  const what = oneLine(context.redact([error.status, named].filter((part) => part !== undefined).join(" ")));
  // A refused key is echoed back in part, in forms that no pattern can know.
  const sentence = error.status === 401 ? "" : oneLine(context.redact(error.message ?? ""));
  const requestId = error.headers?.get("x-request-id") ?? error.headers?.get("request-id");
  return new BatonError(
    code,
    `${provider} answered ${what === "" ? "with an error" : what}${sentence === "" ? "" : `: ${sentence}`}${helpOf(code, error, context)}`,
    {
      retry: waitOf(retry, error.headers),
      fields: {
        provider,
        model: context.model,
        ...(error.status === undefined ? {} : { status: error.status }),
        ...(requestId === undefined || requestId === null ? {} : { requestId: context.redact(requestId) }),
      },
      ...(error.cause === undefined ? {} : { cause: redactedCause(error.cause, context.redact) }),
    },
  );
}

function helpOf(code: ErrorCode, { status }: ProviderError, { apiKeyName }: CallContext): string {
  if (code === "provider_auth" && apiKeyName !== undefined) return ` (check ${apiKeyName})`;
  if (status !== undefined && status >= 300 && status < 400) {
    return " (redirects are not followed: set the provider's baseURL to where it leads)";
  }
  return "";
}

/** What came is not what the API promises: cut, malformed or empty. Another try may well be whole. */
export function protocolFailure(what: string, context: CallContext, cause?: unknown): BatonError {
  const { provider } = splitModelId(context.model);
  return new BatonError("provider_protocol", `${provider} ${what}`, {
    retry: "backoff",
    fields: { provider, model: context.model },
    ...(cause === undefined ? {} : { cause: redactedCause(cause, context.redact) }),
  });
}

function waitOf(retry: "never" | "backoff", headers: Headers | undefined): Retry {
  if (retry === "never" || headers === undefined) return retry;
  const after = retryAfter(headers);
  return after === undefined ? "backoff" : { after };
}

const TOO_LONG =
  /context_length|context length|context window|context size|exceed_context|prompt is too long|exceed context limit|maximum prompt length|request too large for/i;
/** Codes that come with a retryable status, but do not pass by waiting. */
const NO_MONEY = /insufficient_quota|billing|spend_limit|credit_balance|quota_exceeded|payment/i;
const CONTENT = /content_filter|content_policy|_policy$|policy_violation|invalid_prompt/i;
/** Anthropic has no name for it, and says it in a sentence: "Output blocked by content filtering policy". */
const FILTERED = /blocked by (?:our )?content filter/i;

function verdictOf(error: ProviderError): Verdict {
  const named = `${error.code ?? ""} ${error.type ?? ""}`;
  const { status } = error;
  const refusedStatus = status === undefined || status === 400 || status === 413 || status === 429;
  if (refusedStatus && TOO_LONG.test(`${named} ${error.message ?? ""}`)) return ["context_too_long", "never"];
  if (NO_MONEY.test(named)) return ["provider_rejected", "never"];
  const filtered = (status === undefined || status === 400) && FILTERED.test(error.message ?? "");
  if (filtered || CONTENT.test(named)) return ["content_filter", "never"];
  return status === undefined ? verdictOfName(named) : verdictOfStatus(status);
}

function verdictOfStatus(status: number): Verdict {
  if (status === 401 || status === 403) return ["provider_auth", "never"];
  if (status === 408) return ["provider_timeout", "backoff"];
  if (status === 429) return ["provider_rate_limited", "backoff"];
  if (status === 409 || status >= 500) return ["provider_overloaded", "backoff"];
  return ["provider_rejected", "never"];
}

/** Errors inside a stream have no status: their name decides, and an unknown one may pass. */
function verdictOfName(name: string): Verdict {
  if (/rate_limit/.test(name)) return ["provider_rate_limited", "backoff"];
  if (/timeout/.test(name)) return ["provider_timeout", "backoff"];
  if (/authentication|permission|invalid_api_key/.test(name)) return ["provider_auth", "never"];
  if (/invalid|not_found|too_large|image|mismatch|unsupported/.test(name))
    return ["provider_rejected", "never"];
  return ["provider_overloaded", "backoff"];
}

const sdkError = z.looseObject({ status: z.number(), message: z.string() });
const errorBody = z.looseObject({
  message: z.unknown().optional(),
  type: z.unknown().optional(),
  code: z.unknown().optional(),
});

/** Both SDKs throw errors with status, headers and body; OpenAI's gives `error` unwrapped. */
function answerOf(thrown: unknown): ProviderError | undefined {
  const parsed = sdkError.safeParse(thrown);
  if (!parsed.success) return undefined;
  const { status, message, error, headers } = parsed.data;
  const told = bodyError(error);
  return {
    ...told,
    status,
    // The SDK puts the status in front, and the body as it is when it has no message.
    message: told.message ?? message.replace(/^\d{3} /, ""),
    ...(headers instanceof Headers ? { headers } : {}),
    cause: thrown,
  };
}

/** The headers of the answer that an SDK threw, if it was one. */
export function headersOf(thrown: unknown): Headers | undefined {
  return answerOf(thrown)?.headers;
}

/** Reads `{error: {…}}`, `{…}` or a bare sentence. */
export function bodyError(body: unknown): ProviderError {
  if (typeof body === "string") return { message: body };
  if (!isRecord(body)) return {};
  if (body.error !== undefined && body.error !== null) return bodyError(body.error);
  const parsed = errorBody.parse(body);
  const details = isRecord(body.details) ? body.details.error_code : undefined;
  return {
    message: textOf(parsed.message),
    type: textOf(parsed.type),
    code: textOf(details) ?? textOf(parsed.code),
    ...(typeof parsed.code === "number" && parsed.code >= 400 ? { status: parsed.code } : {}),
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** The sentence at the bottom of a chain of causes: "fetch failed" alone tells nobody anything. */
function innermost(thrown: unknown): string {
  let error = thrown;
  while (error instanceof Error && error.cause instanceof Error) error = error.cause;
  if (!(error instanceof Error)) return oneLine(String(thrown));
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  const message = oneLine(error.message);
  return message.includes(code) ? message : `${message} (${code})`.trim();
}

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > SENTENCE_CHARS_MAX ? `${line.slice(0, SENTENCE_CHARS_MAX)}…` : line;
}
