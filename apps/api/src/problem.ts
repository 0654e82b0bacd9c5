/**
 * Errors as the API answers them: `{"error": {"code", "message", "field"?, "details"?}}`. Codes are those of
 * `BatonError`, and few that only HTTP knows; each has one status. What is not meant for callers is logged and answered
 * with `internal` (R9).
 */
import { BatonError, type ErrorCode, toBatonError } from "@baton/core";
import { z } from "zod";
import { ofRedis } from "./availability/redis-errors.ts";

/** Codes of the transport itself. */
export type HttpCode =
  | "unauthorized"
  | "forbidden"
  | "rate_limited"
  | "too_large"
  | "too_slow"
  | "no_room"
  | "unsupported_media_type"
  | "method_not_allowed"
  | "bad_request"
  | "shutting_down";

export class HttpProblem extends Error {
  override readonly name = "HttpProblem";
  readonly code: HttpCode;
  readonly status: number;
  /** Seconds, for `Retry-After`. */
  readonly retryAfter: number | undefined;
  /** Whether it is ours to mend: then it is logged with its cause, which may say more than callers are told. */
  readonly isFault: boolean;

  constructor(
    code: HttpCode,
    status: number,
    message: string,
    options: { readonly retryAfter?: number; readonly isFault?: boolean; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.status = status;
    this.retryAfter = options.retryAfter;
    this.isFault = options.isFault === true;
  }
}

export const problemSchema = z.object({
  error: z.object({
    code: z.string().describe("Stable, for programs."),
    message: z.string().describe("What is wrong and what to do, for people."),
    field: z.string().optional().describe("Path of the field that is wrong."),
    details: z.record(z.string(), z.unknown()).optional(),
  }),
});
/** What every call may answer with. */
export const PROBLEMS = { "4xx": problemSchema, "5xx": problemSchema };
export type ProblemBody = z.infer<typeof problemSchema>;

export interface Problem {
  readonly status: number;
  readonly body: ProblemBody;
  /** Seconds. */
  readonly retryAfter: number | undefined;
  /** Whether it is our fault: then it is logged with its cause. */
  readonly isFault: boolean;
}

const STATUS_OF: Partial<Record<ErrorCode, number>> = {
  invalid_spec: 400,
  invalid_config: 400,
  unsupported: 400,
  unknown_provider: 400,
  missing_key: 400,
  not_found: 404,
  conflict: 409,
  not_possible: 409,
  budget: 402,
  // The operator's, and told: whoever asks cannot do anything about it, but knows whom to ask.
  encryption_key_missing: 500,
  redis_unreachable: 503,
  redis_full: 503,
};

const RETRY_AFTER_SECONDS = 2;

export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof HttpProblem) {
    const { code, message, status, retryAfter, isFault } = thrown;
    return { status, body: { error: { code, message } }, retryAfter, isFault };
  }
  const error = toBatonError(ofRedis(thrown));
  const status = STATUS_OF[error.code];
  if (status === undefined) {
    const message = "something went wrong here; the log of the API has more";
    return {
      status: 500,
      body: { error: { code: "internal", message } },
      retryAfter: undefined,
      isFault: true,
    };
  }
  const { code, message, fields } = error;
  const { field, ...details } = fields;
  return {
    status,
    body: {
      error: {
        code,
        message,
        ...(typeof field === "string" ? { field } : {}),
        ...(Object.keys(details).length === 0 ? {} : { details }),
      },
    },
    retryAfter: status === 503 ? RETRY_AFTER_SECONDS : undefined,
    isFault: false,
  };
}

/** The error of a body or a query that does not fit its schema. */
export function invalidRequest(what: string, message: string, field: string | undefined): BatonError {
  return new BatonError("invalid_spec", `invalid ${what}: ${message}`, {
    fields: field === undefined ? {} : { field },
  });
}
