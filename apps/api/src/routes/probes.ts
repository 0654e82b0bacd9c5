/**
 * `/healthz`: the process answers. `/readyz`: it can do its work, which takes Redis; 503 with the reason when it cannot.
 * `/metrics`: what it did, and what is true of the whole store.
 */
import { whyUnusable } from "@baton/store";
import { z } from "zod";
import type { ApiApp, ApiContext } from "../api-context.ts";
import type { ApiMetrics } from "../metrics/api-meters.ts";
import { PROBLEMS } from "../problem.ts";

const ANSWER_MS_MAX = 1_000;

const words = z.string();

export function addProbes(app: ApiApp, { store, stopping }: ApiContext): void {
  app.get(
    "/healthz",
    {
      schema: {
        operationId: "health",
        tags: ["probes"],
        summary: "Whether the process answers",
        response: { 200: plain("`ok`"), ...PROBLEMS },
      },
    },
    async (_request, reply) => reply.type("text/plain; charset=utf-8").send("ok\n"),
  );
  app.get(
    "/readyz",
    {
      schema: {
        operationId: "readiness",
        tags: ["probes"],
        summary: "Whether the API can do its work",
        response: {
          200: plain("`ok`"),
          503: plain("Why not: it stops, or Redis does not answer, or cannot write to its disk."),
          "4xx": PROBLEMS["4xx"],
        },
      },
    },
    async (_request, reply) => {
      const why = stopping.aborted ? "stopping" : await whyUnusable(store.connection, ANSWER_MS_MAX);
      reply.type("text/plain; charset=utf-8").header("cache-control", "no-store");
      return reply.code(why === undefined ? 200 : 503).send(`${why ?? "ok"}\n`);
    },
  );
}

export function addMetrics(app: ApiApp, metrics: ApiMetrics): void {
  app.get(
    "/metrics",
    {
      config: { scope: "read", needsRedis: false },
      schema: {
        operationId: "metrics",
        tags: ["probes"],
        summary: "Prometheus metrics of this process and of the whole store",
        response: {
          200: plain("Prometheus text; `baton_store_up` is 0 while Redis does not answer."),
          ...PROBLEMS,
        },
      },
    },
    async (_request, reply) =>
      reply
        .type(metrics.contentType)
        .header("cache-control", "no-store")
        .send(await metrics.text()),
  );
}

function plain(description: string) {
  return { description, content: { "text/plain": { schema: words } } };
}
