import { BatonError, isRetryable } from "@baton/core";
import { describe, expect, test } from "vitest";
import { bodyError, failureOf, providerFailure } from "./failure.ts";
import { redactor } from "./redact.ts";
import { GPT } from "./test-support/items.ts";

const context = { model: GPT, apiKeyName: "OPENAI_API_KEY", redact: redactor("hunter2-secret", {}) };

test.each<[number, string | undefined, string, string, "never" | "backoff"]>([
  [400, "invalid_request_error", "bad field", "provider_rejected", "never"],
  [401, "invalid_api_key", "", "provider_auth", "never"],
  [402, undefined, "pay", "provider_rejected", "never"],
  [403, "permission_error", "", "provider_auth", "never"],
  [404, "not_found_error", "no such model", "provider_rejected", "never"],
  [408, undefined, "", "provider_timeout", "backoff"],
  [409, undefined, "", "provider_overloaded", "backoff"],
  [413, "request_too_large", "Request exceeds the maximum size", "provider_rejected", "never"],
  [422, undefined, "", "provider_rejected", "never"],
  [429, "rate_limit_exceeded", "slow down", "provider_rate_limited", "backoff"],
  [429, undefined, "Too many tokens, please wait before trying again.", "provider_rate_limited", "backoff"],
  [429, "insufficient_quota", "You exceeded your current quota", "provider_rejected", "never"],
  [429, "enforced_spend_limit_reached", "", "provider_rejected", "never"],
  [
    429,
    "rate_limit_exceeded",
    "Request too large for gpt-5.2 on tokens per min",
    "context_too_long",
    "never",
  ],
  [500, "api_error", "", "provider_overloaded", "backoff"],
  [503, undefined, "", "provider_overloaded", "backoff"],
  [529, "overloaded_error", "Overloaded", "provider_overloaded", "backoff"],
  [400, "context_length_exceeded", "", "context_too_long", "never"],
  [400, undefined, "prompt is too long: 210000 tokens > 200000 maximum", "context_too_long", "never"],
  [
    400,
    undefined,
    "input length and `max_tokens` exceed context limit: 1 + 2 > 2",
    "context_too_long",
    "never",
  ],
  [400, undefined, "the request exceeds the available context size", "context_too_long", "never"],
  [400, undefined, "max_tokens: 90000 > 64000, which is the maximum allowed", "provider_rejected", "never"],
  [400, "content_policy_violation", "", "content_filter", "never"],
  [307, undefined, "", "provider_rejected", "never"],
])("status %i, %s, %j is %s, retry %s", (status, code, message, expected, retry) => {
  expect(providerFailure({ status, code, message }, context)).toMatchObject({ code: expected, retry });
});

test.each([
  [
    { type: "error", error: { type: "overloaded_error", message: "Overloaded" } },
    "provider_overloaded",
    true,
  ],
  [{ type: "error", error: { type: "rate_limit_error", message: "" } }, "provider_rate_limited", true],
  [{ type: "error", error: { type: "invalid_request_error", message: "no" } }, "provider_rejected", false],
  [{ error: { code: "server_error", message: "oops" } }, "provider_overloaded", true],
  [{ code: "invalid_prompt", message: "no" }, "content_filter", false],
  [{ code: 502, message: "bad gateway" }, "provider_overloaded", true],
  [{ code: "context_length_exceeded", message: "" }, "context_too_long", false],
  [
    {
      type: "error",
      error: {
        details: null,
        type: "invalid_request_error",
        message: "Output blocked by content filtering policy",
      },
    },
    "content_filter",
    false,
  ],
  ["something odd", "provider_overloaded", true],
])("inside a stream %j is %s", (body, code, retryable) => {
  const error = providerFailure(bodyError(body), context);
  expect(error.code).toBe(code);
  expect(isRetryable(error)).toBe(retryable);
});

test("a named wait is kept, whatever retryable status it comes with, and ignored where waiting is no use", () => {
  const headers = new Headers({ "retry-after": "2" });
  expect(providerFailure({ status: 503, headers }, context).retry).toEqual({ after: 2_000 });
  expect(providerFailure({ status: 400, headers }, context).retry).toBe("never");
});

describe("messages", () => {
  test("say who, what and what to do, in one line", () => {
    const error = providerFailure({ status: 403, code: "permission_error", message: "not\nyours" }, context);
    expect(error.message).toBe("openai answered 403 permission_error: not yours (check OPENAI_API_KEY)");
    expect(error.fields).toMatchObject({ provider: "openai", model: GPT, status: 403 });
  });

  test("hold neither the key nor what is left of one, down to the last cause", () => {
    const inner = new Error('Headers.append: "Bearer hunter2-secret" is an invalid header value');
    const error = failureOf(new Error("Connection error. key: abc***xyz", { cause: inner }), context);
    for (let each: unknown = error; each instanceof Error; each = each.cause) {
      expect(`${each.message} ${each.stack}`).not.toMatch(/hunter2|abc\*/);
    }
    expect(error.cause).toBeInstanceOf(Error);
    const echoed = { status: 401, message: "Incorrect API key provided: mykey***9zQ" };
    expect(providerFailure(echoed, context).message).toBe("openai answered 401 (check OPENAI_API_KEY)");
  });

  test("of the network name the cause at the bottom", () => {
    const refused = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:1"), { code: "ECONNREFUSED" });
    const error = failureOf(
      new Error("Connection error.", { cause: new TypeError("fetch failed", { cause: refused }) }),
      context,
    );
    expect(error).toMatchObject({ code: "provider_unreachable", retry: "backoff" });
    expect(error.message).toBe("openai could not be reached: connect ECONNREFUSED 127.0.0.1:1");
  });
});

test("an error that is Baton's own is passed on", () => {
  const own = new BatonError("cancelled", "stopped");
  expect(failureOf(own, context)).toBe(own);
});
