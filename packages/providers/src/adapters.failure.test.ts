/**
 * Every failure that DESIGN tells apart, as each API words it, through the real SDKs: which code it becomes, and
 * whether and when it is worth another try. What goes wrong inside a stream is in `adapters.wire.test.ts` and beside
 * each reader.
 */
import type { ServerResponse } from "node:http";
import { inspect } from "node:util";
import type { ModelId, Retry } from "@baton/core";
import { describe, expect, test } from "vitest";
import { caller, failure } from "./test-support/call-model.ts";
import { apiOf, CLAUDE, GPT, LOCAL } from "./test-support/items.ts";
import { sendError, sendEvents, wireServer } from "./test-support/wire-server.ts";

interface Told {
  readonly type: string;
  readonly code?: string;
  readonly message?: string;
}

/** An error in the API's own form. */
function bodyOf(model: ModelId, { type, code, message = "because" }: Told): unknown {
  return apiOf(model) === "anthropic-messages"
    ? { type: "error", error: { type, message }, request_id: "req_1" }
    : { error: { message, type, param: null, code: code ?? null } };
}

type Row = readonly [
  status: number,
  told: Readonly<Record<"anthropic" | "openai", Told>>,
  code: string,
  retry: Retry,
];

const alike = (told: Told) => ({ anthropic: told, openai: told });

const ROWS: readonly Row[] = [
  [400, alike({ type: "invalid_request_error" }), "provider_rejected", "never"],
  [
    401,
    {
      anthropic: { type: "authentication_error" },
      openai: { type: "invalid_request_error", code: "invalid_api_key" },
    },
    "provider_auth",
    "never",
  ],
  [403, alike({ type: "permission_error" }), "provider_auth", "never"],
  [
    404,
    {
      anthropic: { type: "not_found_error" },
      openai: { type: "invalid_request_error", code: "model_not_found" },
    },
    "provider_rejected",
    "never",
  ],
  [408, alike({ type: "timeout_error" }), "provider_timeout", "backoff"],
  [409, alike({ type: "conflict_error" }), "provider_overloaded", "backoff"],
  [413, alike({ type: "request_too_large" }), "provider_rejected", "never"],
  [422, alike({ type: "invalid_request_error" }), "provider_rejected", "never"],
  [
    429,
    {
      anthropic: { type: "rate_limit_error" },
      openai: { type: "requests", code: "rate_limit_exceeded" },
    },
    "provider_rate_limited",
    "backoff",
  ],
  [
    500,
    { anthropic: { type: "api_error" }, openai: { type: "server_error" } },
    "provider_overloaded",
    "backoff",
  ],
  [502, alike({ type: "bad_gateway" }), "provider_overloaded", "backoff"],
  [503, alike({ type: "service_unavailable_error" }), "provider_overloaded", "backoff"],
  [504, alike({ type: "timeout_error" }), "provider_overloaded", "backoff"],
  [529, alike({ type: "overloaded_error" }), "provider_overloaded", "backoff"],
  [
    400,
    {
      anthropic: { type: "invalid_request_error", message: "prompt is too long: 201 tokens > 200 maximum" },
      openai: { type: "invalid_request_error", code: "context_length_exceeded" },
    },
    "context_too_long",
    "never",
  ],
  [
    400,
    {
      anthropic: { type: "invalid_request_error", message: "Output blocked by content filtering policy" },
      openai: { type: "invalid_request_error", code: "content_policy_violation" },
    },
    "content_filter",
    "never",
  ],
];

describe.each([CLAUDE, GPT, LOCAL])("a call of %s", (model) => {
  const api = apiOf(model) === "anthropic-messages" ? "anthropic" : "openai";

  test.each(ROWS)("that is answered %i %j ends as %s, retry %j", async (status, told, code, retry) => {
    await using server = await wireServer((response) =>
      sendError(response, status, bodyOf(model, told[api])),
    );
    const error = await failure(caller(server.url, model));
    expect({ code: error.code, retry: error.retry }).toEqual({ code, retry });
    expect(error.fields).toMatchObject({ model, status });
    // Baton alone decides on another try.
    expect(server.requests).toHaveLength(1);
  });

  test("says nothing of the key and the headers, in whichever field they come back (R9)", async () => {
    await using server = await wireServer((response, { headers }) => {
      const told = JSON.stringify(headers);
      const body = bodyOf(model, { type: told, code: told, message: told });
      sendError(response, 400, body, { "x-request-id": told, "request-id": told });
    });
    const error = await failure(caller(server.url, model));
    const sent = server.requests[0]?.headers;
    const [key = ""] = [sent?.authorization?.replace("Bearer ", ""), sent?.["x-api-key"]]
      .flat()
      .filter(Boolean);
    expect(key.length).toBeGreaterThan(3);
    expect(inspect(error, { depth: 8 })).not.toContain(key);
  });

  test.each<[Record<string, string>, Retry]>([
    [{ "retry-after": "7" }, { after: 7_000 }],
    [
      { "retry-after": "Sat, 21 Nov 2026 03:00:20 GMT", date: "Sat, 21 Nov 2026 03:00:00 GMT" },
      { after: 20_000 },
    ],
    [{ "retry-after-ms": "1500", "retry-after": "2" }, { after: 1_500 }],
    [{ "retry-after": "soon" }, "backoff"],
  ])("that is put off by %j is tried again then", async (headers, retry) => {
    for (const status of [429, 503]) {
      await using server = await wireServer((response) =>
        sendError(response, status, bodyOf(model, { type: "rate_limit_error" }), headers),
      );
      expect((await failure(caller(server.url, model))).retry).toEqual(retry);
    }
  });

  test.each<[string, string]>([
    ["text/html", "<html><h1>502 Bad Gateway</h1></html>"],
    ["application/json", "{cut off"],
    ["text/plain", ""],
  ])("that a proxy fails with %s is judged by its status", async (type, body) => {
    await using server = await wireServer((response) => {
      response.writeHead(502, { "content-type": type }).end(body);
    });
    expect(await failure(caller(server.url, model))).toMatchObject({
      code: "provider_overloaded",
      retry: "backoff",
    });
  });

  test.each<[string, (response: ServerResponse) => void]>([
    ["is reset before an answer", (response) => response.socket?.resetAndDestroy()],
    ["is closed before an answer", (response) => response.destroy()],
  ])("whose connection %s is worth another try", async (_what, answer) => {
    await using server = await wireServer(answer);
    expect(await failure(caller(server.url, model))).toMatchObject({
      code: "provider_unreachable",
      retry: "backoff",
    });
  });

  test("whose provider's name is not known is worth another try", async () => {
    const error = await failure(caller("http://provider.invalid", model));
    expect(error).toMatchObject({ code: "provider_unreachable", retry: "backoff" });
    expect(error.message).toMatch(/ENOTFOUND|EAI_AGAIN/);
  });

  test.each([
    ["the request's limit where it is the shorter one", 150, 60_000, 150],
    ["the configuration's limit where that is shorter", 60_000, 150, 150],
  ])("that drips on and on ends at %s", async (_what, timeoutMs, modelCallMs, endsAt) => {
    await using server = await wireServer((response) => {
      sendEvents(response, [], false);
      const drip = setInterval(() => response.write(": still thinking\n\n"), 10);
      response.on("close", () => clearInterval(drip));
    });
    const limits = { modelIdleMs: 60_000, modelCallMs };
    const error = await failure(caller(server.url, model, { limits, request: { timeoutMs } }));
    expect(error).toMatchObject({ code: "provider_timeout", retry: "backoff" });
    expect(error.message).toContain(`took more than ${endsAt} ms`);
  });
});
