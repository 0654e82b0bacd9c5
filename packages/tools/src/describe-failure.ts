/** What went wrong with a server, in one line for people and models. Nothing in it is redacted yet. */
import { StreamableHTTPError } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ErrorCode, McpError } from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";

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

const NEVER_CONNECTED = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"];

/** There never was a connection that the request could have gone over. */
export function isNeverConnected(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return causesOf(error).some((cause) => "code" in cause && NEVER_CONNECTED.includes(String(cause.code)));
}

/** The server answered with an HTTP status that says no. */
export function isHttpRefusal(error: unknown): boolean {
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
