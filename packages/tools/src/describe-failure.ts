/**
 * What went wrong with a server: in one line for people and models, which is not redacted yet, and whether what was
 * asked can have taken effect and is worth asking again.
 */
import { BatonError, type Retry } from "@baton/core";
import { StreamableHTTPError } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ErrorCode, McpError } from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import type { CallFailure } from "./retry-call.ts";

const CHARS_MAX = 2_000;
const CAUSES_MAX = 4;

export function describeFailure(error: unknown): string {
  const text = describe(error).replace(/\s+/g, " ").trim();
  return text.length <= CHARS_MAX ? text : `${text.slice(0, CHARS_MAX)}…`;
}

/** The server does not know the session (any more): it cannot have run what was sent in it. */
export function isSessionUnknown(error: unknown): boolean {
  if (!(error instanceof StreamableHTTPError)) return false;
  return error.code === 404 || (error.code === 400 && /session/i.test(error.message));
}

export function isConnectionClosed(error: unknown): boolean {
  return error instanceof McpError && error.code === ErrorCode.ConnectionClosed;
}

/** The request may not have reached the server: nothing in the form of MCP, and no HTTP status, came back. */
export function isNetworkFailure(error: unknown): boolean {
  return !(error instanceof McpError || isHttpRefusal(error) || error instanceof z.ZodError);
}

/** Names, addresses and certificates that led to no connection, and children that had ended. */
const NEVER_CONNECTED =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ENOTCONN|UND_ERR_CONNECT_TIMEOUT|CERT_.*|ERR_TLS_.*|DEPTH_ZERO_.*|SELF_SIGNED_.*|UNABLE_TO_.*)$/;

/** There never was a connection that the request could have gone over. */
function isNeverConnected(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return causesOf(error).some(
    (cause) =>
      ("code" in cause && NEVER_CONNECTED.test(String(cause.code))) ||
      ("syscall" in cause && cause.syscall === "connect") ||
      // The SDK's client, once its transport has closed.
      cause.message === "Not connected",
  );
}

/** Whether a request that failed so can have taken effect. */
export function effectOf(error: unknown): CallFailure["effect"] {
  if (isSessionUnknown(error) || isNeverConnected(error)) return "not_run";
  if (isHttpRefusal(error)) return isRefusal(statusOf(error)) ? "refused" : "unknown";
  if (isConnectionClosed(error) || isRequestTimeout(error)) return "unknown";
  // An error by the protocol, or a result that is none: the server has dealt with the request.
  if (error instanceof McpError || error instanceof z.ZodError) return "refused";
  return "unknown";
}

/** Whether the same may go better later. `retryAfterMs` is what the answer asked for, if it did. */
export function retryOf(error: unknown, retryAfterMs: number | undefined): Retry {
  const later = retryAfterMs === undefined ? "backoff" : { after: retryAfterMs };
  if (isHttpRefusal(error)) return isPassing(statusOf(error)) ? later : "never";
  if (isConnectionClosed(error) || isRequestTimeout(error)) return "backoff";
  if (error instanceof McpError || error instanceof z.ZodError) return "never";
  if (!(error instanceof Error)) return "never";
  const causes = causesOf(error);
  const own = causes.find((cause) => cause instanceof BatonError);
  if (own !== undefined) return own.retry;
  return causes.some(isSpawnFailure) ? "never" : "backoff";
}

/** An intermediary that gives up waiting answers so too, while the request goes on behind it. */
function isRefusal(status: number): boolean {
  return status >= 300 && status < 500 && status !== 408;
}

function isPassing(status: number): boolean {
  return status >= 500 || status === 408 || status === 425 || status === 429;
}

/** 0 for an answer that was no error, but not one of the protocol either. */
function statusOf(error: StreamableHTTPError): number {
  return error.code !== undefined && error.code > 0 ? error.code : 0;
}

/** The server answered with an HTTP status that says no. */
export function isHttpRefusal(error: unknown): error is StreamableHTTPError {
  return error instanceof StreamableHTTPError;
}

export function isRequestTimeout(error: unknown): boolean {
  return error instanceof McpError && error.code === ErrorCode.RequestTimeout;
}

function describe(error: unknown): string {
  if (error instanceof StreamableHTTPError) {
    if (error.code === 401 || error.code === 403) {
      return `the server refused the credentials (HTTP ${error.code})`;
    }
    const detail = error.message.replace(/^Streamable HTTP error: (Error POSTing to endpoint: )?/, "");
    return error.code !== undefined && error.code > 0 ? `HTTP ${error.code}: ${detail}` : detail;
  }
  if (error instanceof McpError) return error.message.replace(/^MCP error -?\d+: /, "");
  if (error instanceof z.ZodError)
    return `the server's answer has the wrong form: ${error.issues[0]?.message}`;
  if (!(error instanceof Error)) return String(error);
  if (isSpawnFailure(error)) return `the command ${error.path} was not found (or the folder to run it in)`;
  return causesOf(error).map(messageOf).filter(isNew).join(": ");
}

/** `fetch failed` says nothing; its causes do. Of several addresses that failed, the first speaks for all. */
function causesOf(error: Error): readonly Error[] {
  const causes: Error[] = [error];
  for (let last = error; causes.length < CAUSES_MAX; ) {
    const next: unknown = last instanceof AggregateError ? last.errors[0] : last.cause;
    if (!(next instanceof Error) || next.name === "TimeoutError") break;
    causes.push(next);
    last = next;
  }
  return causes;
}

function messageOf(error: Error): string {
  return error.message;
}

function isNew(message: string, index: number, all: readonly string[]): boolean {
  return message !== "" && all.indexOf(message) === index;
}

function isSpawnFailure(error: Error): error is NodeJS.ErrnoException {
  return (
    "code" in error &&
    error.code === "ENOENT" &&
    "syscall" in error &&
    String(error.syscall).startsWith("spawn")
  );
}
