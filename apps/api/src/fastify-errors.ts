/** What Fastify itself refuses, in our words. */
import { HttpProblem } from "./problem.ts";

export function ofFastify(error: unknown): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  switch (error.code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new HttpProblem("too_large", 413, "the body is larger than this API takes");
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return new HttpProblem("unsupported_media_type", 415, "send application/json");
    case "FST_ERR_CTP_EMPTY_JSON_BODY":
    case "FST_ERR_CTP_INVALID_JSON_BODY":
    case "FST_ERR_CTP_INVALID_CONTENT_LENGTH":
      return new HttpProblem("bad_request", 400, "the body is not valid JSON");
    case "ECONNRESET":
      // What Node says of a body that breaks off; nobody is there to hear the answer.
      return error.message === "aborted"
        ? new HttpProblem("bad_request", 400, "the connection was cut before the whole body had come")
        : error;
    default:
      return isOfRequest(error)
        ? new HttpProblem(
            "bad_request",
            400,
            "the request cannot be read: look at its method and its headers",
          )
        : error;
  }
}

/** Fastify's words for what is wrong with a request go into no answer: they may repeat what was sent. */
function isOfRequest(error: Error & { readonly code: unknown }): boolean {
  if (!String(error.code).startsWith("FST_ERR_") || !("statusCode" in error)) return false;
  return Number(error.statusCode) >= 400 && Number(error.statusCode) < 500;
}
