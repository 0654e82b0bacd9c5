/**
 * Headers of all answers. An answer belongs to whoever asked: nothing on the way keeps it, unless its route says how, and no
 * page shows it, frames it, or takes it for a script. Pages of other origins read none, but for those of `api.cors`.
 */

import type { Config } from "@baton/core";
import { fastifyCors } from "@fastify/cors";
import { fastifyHelmet } from "@fastify/helmet";
import type { ApiApp } from "../api-context.ts";

/** What a page's script may read besides the body. */
const EXPOSED = [
  ...["etag", "location", "retry-after", "x-request-id", "x-baton-run-id"],
  ...["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"],
];
const PREFLIGHT_SECONDS = 600;

export async function addAnswerHeaders(app: ApiApp, api: Config["api"]): Promise<void> {
  await app.register(fastifyHelmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        frameAncestors: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
      },
    },
    crossOriginResourcePolicy: { policy: api.cors.length === 0 ? "same-origin" : "cross-origin" },
    frameguard: { action: "deny" },
    referrerPolicy: { policy: "no-referrer" },
    // TLS ends before this server, and whoever ends it says so.
    strictTransportSecurity: false,
  });
  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-request-id", request.id);
  });
  app.addHook("onSend", async (_request, reply) => {
    if (!reply.hasHeader("cache-control")) reply.header("cache-control", "no-store");
  });
  if (api.cors.length === 0) return;
  await app.register(fastifyCors, {
    origin: [...api.cors],
    methods: ["GET", "HEAD", "POST", "PATCH", "DELETE"],
    exposedHeaders: EXPOSED,
    maxAge: PREFLIGHT_SECONDS,
  });
}
