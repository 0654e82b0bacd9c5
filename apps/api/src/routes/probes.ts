/** `/healthz`: the process answers. `/readyz`: it can do its work. */
import { z } from "zod";
import type { ApiApp, ApiContext } from "../api-context.ts";

export function addProbes(app: ApiApp, { store, stopping }: ApiContext): void {
  app.get("/healthz", { schema: { hide: true, response: { 200: z.string() } } }, async () => "ok\n");
  app.get("/readyz", { schema: { hide: true } }, async (_request, reply) => {
    const why = stopping.aborted ? "stopping" : store.connection.status === "ready" ? undefined : "no Redis";
    if (why === undefined) return "ok\n";
    reply.code(503);
    return `${why}\n`;
  });
}
