/**
 * One line of the log for each request: what was called, how it ended, how long it took, and by which key. Never a header, a
 * body, a query or a path as it was sent: those may hold what a caller means to keep (R9).
 */
import type { ApiApp } from "../api-context.ts";

export function addRequestLog(app: ApiApp): void {
  app.addHook("onResponse", async (request, reply) => {
    request.log.info(
      {
        method: request.method,
        route: request.routeOptions.url ?? "none",
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
        key: request.principal?.keyId,
      },
      "request",
    );
  });
}
