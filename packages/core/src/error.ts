/**
 * The one error type. `code` is stable and machine-readable, `retry` says whether trying again can help,
 * `fields` carry ids, `cause` keeps what was caught. Messages are one line and say what to do; no secret is
 * ever put into one (R9).
 */

/** `never`: the same call fails again. `backoff`: try later. `{after}`: the provider named the delay, in ms. */
export type Retry = "never" | "backoff" | { readonly after: number };

export const ERROR_CODES = [
  // What the caller sent or configured.
  "invalid_spec",
  "invalid_config",
  "unknown_provider",
  "missing_key",
  "unsupported",
  "not_found",
  "conflict",
  "not_possible",
  "config_missing",
  // What a model or its provider answered.
  "provider_unreachable",
  "provider_timeout",
  "provider_rate_limited",
  "provider_overloaded",
  "provider_auth",
  "provider_rejected",
  "provider_protocol",
  "context_too_long",
  "refusal",
  "content_filter",
  // What bounds a run.
  "output_limit",
  "max_turns",
  "max_handoffs",
  "budget",
  "deadline",
  "phase_timeout",
  "poison",
  "policy_stopped",
  // Infrastructure.
  "redis_unreachable",
  "redis_unfit",
  "redis_full",
  "store_corrupt",
  "encryption_key_missing",
  "tool_failed",
  "cancelled",
  "internal",
  // What keeps a caller from Baton's API, and what the API says of a request as such.
  "server_unreachable",
  "server_protocol",
  "unauthorized",
  "forbidden",
  "rate_limited",
  "too_large",
  "too_slow",
  "no_room",
  "unsupported_media_type",
  "method_not_allowed",
  "bad_request",
  "shutting_down",
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

export interface BatonErrorOptions {
  readonly retry?: Retry;
  readonly fields?: Readonly<Record<string, string | number>>;
  readonly cause?: unknown;
}

export class BatonError extends Error {
  override readonly name = "BatonError";
  readonly code: ErrorCode;
  readonly retry: Retry;
  readonly fields: Readonly<Record<string, string | number>>;

  constructor(code: ErrorCode, message: string, options: BatonErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retry = options.retry ?? "never";
    this.fields = options.fields ?? {};
  }
}

/** Any thrown value as a `BatonError`; what is not one already becomes `internal` with its cause kept. */
export function toBatonError(thrown: unknown): BatonError {
  if (thrown instanceof BatonError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new BatonError("internal", message, { cause: thrown });
}

/** Whether trying again may help. */
export function isRetryable(error: BatonError): boolean {
  return error.retry !== "never";
}
