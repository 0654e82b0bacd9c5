/**
 * The hook that says who asks (`request.principal`) before anything of a request is read but its headers, and refuses whom
 * its route does not allow. A route demands a scope by its `config.scope`; only those of `OPEN` demand none, and no other
 * can be added without one.
 */
import type { Config } from "@baton/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { ApiApp } from "../api-context.ts";
import { guardBrowsers } from "../hardening/browser-guard.ts";
import { HttpProblem } from "../problem.ts";
import { Buckets } from "./buckets.ts";
import type { Gate } from "./gate.ts";
import type { Refusal } from "./key-ring.ts";
import { ANYONE, NOBODY, type Principal, principalOf, type Scope } from "./principal.ts";

/** Routes for whoever asks: they tell nothing of runs. */
const OPEN: ReadonlySet<string> = new Set(["/healthz", "/readyz", "/openapi.json"]);

/** Keys that are wrong, from an address; a key that is right is never held up by them. */
const FAILURES_A_MINUTE = 30;

/** Of all connections, what the requests of one key may hold. */
const OPEN_SHARE_MAX = 0.5;

const WHY: Readonly<Record<Refusal | "missing", string>> = {
  missing: "send an API key: `Authorization: Bearer bk_…`, made with `baton keys create NAME`",
  not_a_key: "this is no API key, or it is not whole: one begins with bk_ and is 65 characters long",
  unknown: "this API key is not known, or was revoked: make another one with `baton keys create NAME`",
  expired: "this API key has expired: make another one with `baton keys create NAME`",
};

export function addAuthentication(app: ApiApp, gate: Gate, api: Config["api"]): void {
  const failures = new Buckets(gate.now);
  app.decorateRequest("principal");
  app.addHook("onClose", () => gate[Symbol.asyncDispose]());
  app.addHook("onRoute", ({ url, config, method }) => {
    if (config?.scope === undefined && !OPEN.has(url) && method !== "OPTIONS") {
      throw new Error(`${String(method)} ${url} names no scope: add config.scope to the route`);
    }
  });
  app.addHook("onRequest", async (request, reply) => {
    const { url = "", config } = request.routeOptions;
    request.principal = NOBODY;
    if (OPEN.has(url)) return;
    demandOnce(request);
    if (!gate.demandsKeys()) {
      guardBrowsers(request, api);
      request.principal = ANYONE;
      return;
    }
    request.principal = authenticate(request, reply, gate, failures);
    countOpen(request.principal, reply, gate, api);
    await countRequest(request.principal, reply, gate);
    demandScope(request.principal, config?.scope, reply);
  });
}

/** A proxy in front may have gone by another one of two, so there is no saying which of them was meant. */
function demandOnce({ headers, raw }: FastifyRequest): void {
  if (headers.host === undefined) throw new HttpProblem("bad_request", 400, "the Host header is missing");
  const { host = [], authorization = [] } = raw.headersDistinct;
  if (host.length > 1 || authorization.length > 1) {
    throw new HttpProblem("bad_request", 400, "the Host or the Authorization header came more than once");
  }
}

/** Held before anything is waited for: a key that ends meanwhile ends this request. */
function countOpen({ keyId }: Principal, reply: FastifyReply, { answers }: Gate, api: Config["api"]): void {
  if (keyId === undefined) return;
  const openMax = Math.max(1, Math.floor(api.connectionsMax * OPEN_SHARE_MAX));
  if (answers.count(keyId) >= openMax) {
    throw new HttpProblem("rate_limited", 429, `this API key has ${openMax} requests under way: end some`, {
      retryAfter: 1,
    });
  }
  answers.add(keyId, reply);
}

function authenticate(
  request: FastifyRequest,
  reply: FastifyReply,
  gate: Gate,
  failures: Buckets,
): Principal {
  const text = keyOf(request);
  const found = text === undefined ? undefined : gate.ring.find(text);
  if (found?.kind === "found") return principalOf(found.record);
  const why = found?.why ?? "missing";
  const { isTaken, nextMs } = failures.take(networkOf(request.ip), FAILURES_A_MINUTE);
  if (!isTaken) {
    throw new HttpProblem(
      "rate_limited",
      429,
      "too many requests without a valid API key came from this address",
      {
        retryAfter: Math.ceil(nextMs / 1_000),
      },
    );
  }
  reply.header(
    "www-authenticate",
    `Bearer realm="baton"${why === "missing" ? "" : ', error="invalid_token"'}`,
  );
  throw new HttpProblem("unauthorized", 401, WHY[why]);
}

/** Clients of Anthropic's form send `x-api-key`; where both are sent, `Authorization` says who asks. */
function keyOf({ headers }: FastifyRequest): string | undefined {
  const { authorization } = headers;
  if (authorization !== undefined) return /^Bearer +(\S+) *$/i.exec(authorization)?.[1] ?? "";
  const other = headers["x-api-key"];
  return typeof other === "string" ? other : undefined;
}

async function countRequest({ keyId, bounds }: Principal, reply: FastifyReply, gate: Gate): Promise<void> {
  const rpm = bounds?.rpm;
  if (keyId === undefined || rpm === undefined) return;
  const { isTaken, left, nextMs, fullMs } = await gate.rate.take(keyId, rpm);
  reply.headers({
    "ratelimit-limit": String(rpm),
    "ratelimit-remaining": String(left),
    "ratelimit-reset": String(Math.ceil(fullMs / 1_000)),
  });
  if (isTaken) return;
  throw new HttpProblem("rate_limited", 429, `this API key may make ${rpm} requests a minute`, {
    retryAfter: Math.max(1, Math.ceil(nextMs / 1_000)),
  });
}

/** Without a scope there is no route, and `not_found` is told to whoever has a key. */
function demandScope({ scopes }: Principal, scope: Scope | undefined, reply: FastifyReply): void {
  if (scope === undefined || scopes.has(scope)) return;
  reply.header("www-authenticate", `Bearer realm="baton", error="insufficient_scope", scope="${scope}"`);
  throw new HttpProblem(
    "forbidden",
    403,
    `this API key lacks the scope ${scope}: it has ${[...scopes].join(", ")}. \`baton keys create NAME --scope ${[...scopes, scope].join(",")}\` makes one that has them`,
  );
}

/** Who has an IPv6 address has at least all of its /64. */
function networkOf(ip: string): string {
  if (!ip.includes(":") || ip.includes(".")) return ip;
  const [left = ""] = ip.split("::");
  return `${left.split(":").slice(0, 4).join(":")}/64`;
}
