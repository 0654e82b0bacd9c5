/**
 * Errors in the shape that OpenAI's and Dedalus' clients turn into their typed errors:
 * `{"error": {"message", "type", "param", "code"}}`. `code` is Baton's own, where OpenAI has no word that its clients
 * know.
 *
 * Both clients send a request again on 408, 409, 429 and 5xx unless `x-should-retry` says otherwise. What a run ended
 * with would be answered again, and Baton has tried again already, so they are told not to; what is wrong with the API
 * for a moment is worth another try.
 */
import { type ErrorCode, toBatonError } from "@baton/core";
import { z } from "zod";
import { ofRedis } from "../availability/redis-errors.ts";
import { HttpProblem } from "../problem.ts";

export const openAiErrorSchema = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    /** The field of the request that is wrong. */
    param: z.string().nullable(),
    code: z.string().nullable(),
    /** The run that it is about, for whoever wants to look at it, resume it or retry it. */
    run_id: z.string().optional(),
  }),
});
export type OpenAiErrorBody = z.infer<typeof openAiErrorSchema>;

export interface OpenAiProblemOptions {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly param?: string | undefined;
  readonly runId?: string | undefined;
  /** Seconds: the request may be sent again then. Absent: the client is told not to. */
  readonly retryAfter?: number | undefined;
  /** It is our fault: logged with its cause. */
  readonly isFault?: boolean | undefined;
  readonly cause?: unknown;
}

export class OpenAiProblem extends Error {
  override readonly name = "OpenAiProblem";
  readonly status: number;
  readonly code: string;
  readonly param: string | undefined;
  readonly runId: string | undefined;
  readonly retryAfter: number | undefined;
  readonly isFault: boolean;

  constructor({ status, code, message, param, runId, retryAfter, isFault, cause }: OpenAiProblemOptions) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = status;
    this.code = code;
    this.param = param;
    this.runId = runId;
    this.retryAfter = retryAfter;
    this.isFault = isFault === true;
  }

  body(): OpenAiErrorBody {
    const { message, status, param = null, code, runId } = this;
    const run = runId === undefined ? {} : { run_id: runId };
    return { error: { message, type: typeOf(status), param, code, ...run } };
  }

  headers(): Readonly<Record<string, string>> {
    if (this.retryAfter === undefined) return { "x-should-retry": "false" };
    return { "retry-after": String(this.retryAfter) };
  }
}

/** What each code of an error, or of a run that failed, is to these clients. */
const STATUS_OF: Partial<Record<ErrorCode, number>> = {
  invalid_spec: 400,
  invalid_config: 400,
  unsupported: 400,
  unknown_provider: 404,
  // The provider's, which the operator did not give.
  missing_key: 503,
  not_found: 404,
  conflict: 409,
  not_possible: 409,
  cancelled: 409,
  config_missing: 503,
  provider_rejected: 400,
  context_too_long: 400,
  provider_rate_limited: 429,
  // The key that was refused is the operator's: the caller's own is in order.
  provider_auth: 502,
  provider_unreachable: 502,
  provider_protocol: 502,
  provider_overloaded: 503,
  provider_timeout: 504,
  deadline: 504,
  phase_timeout: 504,
  budget: 402,
  output_limit: 422,
  max_turns: 422,
  max_handoffs: 422,
  policy_stopped: 422,
  encryption_key_missing: 500,
  redis_unreachable: 503,
  redis_full: 503,
};

/** Words that OpenAI's own API has for a code. */
const CODE_OF: Partial<Record<ErrorCode, string>> = { context_too_long: "context_length_exceeded" };

const RETRY_AFTER_SECONDS = 2;

/** Any thrown value as these clients are told it. */
export function openAiProblemOf(thrown: unknown): OpenAiProblem {
  if (thrown instanceof OpenAiProblem) return thrown;
  if (thrown instanceof HttpProblem) {
    const { code, status, message, retryAfter } = thrown;
    return new OpenAiProblem({ status, code, message, retryAfter, cause: thrown.cause });
  }
  const error = toBatonError(ofRedis(thrown));
  const status = STATUS_OF[error.code];
  if (status === undefined) {
    const message = "something went wrong here; the log of the API has more";
    return new OpenAiProblem({ status: 500, code: "internal", message, isFault: true, cause: thrown });
  }
  const { field, runId } = error.fields;
  const isAway = error.code === "redis_unreachable" || error.code === "redis_full";
  return new OpenAiProblem({
    status,
    code: CODE_OF[error.code] ?? error.code,
    message: error.message,
    param: typeof field === "string" ? field : undefined,
    runId: typeof runId === "string" ? runId : undefined,
    retryAfter: isAway ? RETRY_AFTER_SECONDS : undefined,
    cause: thrown,
  });
}

/** What a run that failed is to its client. Its error was made to be read by whoever submitted it. */
export function problemOfRun(runId: string, error: { readonly code: string; readonly message: string }) {
  // Codes of failed runs are written from error codes alone.
  const code = error.code as ErrorCode;
  return new OpenAiProblem({
    status: STATUS_OF[code] ?? 500,
    code: CODE_OF[code] ?? code,
    message: `run ${runId} failed: ${error.message}`,
    runId,
  });
}

function typeOf(status: number): string {
  switch (status) {
    case 401:
      return "authentication_error";
    case 402:
      return "insufficient_quota";
    case 403:
      return "permission_error";
    case 429:
      return "rate_limit_error";
    default:
      return status >= 500 ? "server_error" : "invalid_request_error";
  }
}
