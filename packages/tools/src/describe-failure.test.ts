/** Whether a call that failed so can have taken effect, and whether another try makes sense. */
import { BatonError } from "@baton/core";
import { StreamableHTTPError } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ErrorCode, McpError } from "@modelcontextprotocol/sdk/types.js";
import { expect, test } from "vitest";
import { z } from "zod";
import { effectOf, retryOf } from "./describe-failure.ts";

const fetchFailed = (code: string, syscall?: string) =>
  new TypeError("fetch failed", { cause: Object.assign(new Error(code), { code, syscall }) });
const status = (code: number, text = "no") => new StreamableHTTPError(code, text);

test.each<[string, unknown, string, unknown]>([
  ["connection refused", fetchFailed("ECONNREFUSED"), "not_run", "backoff"],
  ["unknown host", fetchFailed("ENOTFOUND"), "not_run", "backoff"],
  ["connect timeout", fetchFailed("UND_ERR_CONNECT_TIMEOUT"), "not_run", "backoff"],
  ["connect timed out by the system", fetchFailed("ETIMEDOUT", "connect"), "not_run", "backoff"],
  ["expired certificate", fetchFailed("CERT_HAS_EXPIRED"), "not_run", "backoff"],
  [
    "several addresses, all refused",
    new TypeError("fetch failed", { cause: new AggregateError([fetchFailed("ECONNREFUSED").cause], "all") }),
    "not_run",
    "backoff",
  ],
  ["reset", fetchFailed("ECONNRESET"), "unknown", "backoff"],
  ["read timed out by the system", fetchFailed("ETIMEDOUT", "read"), "unknown", "backoff"],
  ["other side closed", fetchFailed("UND_ERR_SOCKET"), "unknown", "backoff"],
  ["a client whose transport has closed", new Error("Not connected"), "not_run", "backoff"],
  ["session lost", status(404), "not_run", "never"],
  ["session lost, said with a 400", status(400, "Bad Request: No valid session ID"), "not_run", "never"],
  ["bad request", status(400), "refused", "never"],
  ["credentials", status(401), "refused", "never"],
  ["too many", status(429), "refused", "backoff"],
  ["request timeout", status(408), "unknown", "backoff"],
  ["server error", status(500), "unknown", "backoff"],
  ["unavailable", status(503), "unknown", "backoff"],
  ["an answer of another type", status(-1), "unknown", "never"],
  ["child died", new McpError(ErrorCode.ConnectionClosed, "Connection closed"), "unknown", "backoff"],
  ["late", new McpError(ErrorCode.RequestTimeout, "late"), "unknown", "backoff"],
  ["error by the protocol", new McpError(ErrorCode.InternalError, "broke"), "refused", "never"],
  ["result of a wrong form", new z.ZodError([]), "refused", "never"],
  ["refused on this side", new BatonError("tool_failed", "private address"), "unknown", "never"],
  [
    "no such program",
    Object.assign(new Error("spawn x ENOENT"), { code: "ENOENT", syscall: "spawn x", path: "x" }),
    "unknown",
    "never",
  ],
])("%s", (_what, error, effect, retry) => {
  expect([effectOf(error), retryOf(error, undefined)]).toEqual([effect, retry]);
});

test("what the server asks to wait is kept where waiting helps", () => {
  expect(retryOf(status(503), 4_000)).toEqual({ after: 4_000 });
  expect(retryOf(status(400), 4_000)).toBe("never");
});
