/** `GET /openapi.json`: what there is, for programs that make clients of it. */
import { z } from "zod";
import type { ApiApp } from "../api-context.ts";
import { PROBLEMS } from "../problem.ts";

export function addOpenApi(app: ApiApp): void {
  // The routes do not change once the app is ready.
  let text: string | undefined;
  app.get(
    "/openapi.json",
    {
      schema: {
        operationId: "openApi",
        tags: ["probes"],
        summary: "This document",
        response: { 200: z.looseObject({ openapi: z.string() }), ...PROBLEMS },
      },
    },
    async (_request, reply) => {
      text ??= JSON.stringify(app.swagger());
      // A document that is text already is not written anew.
      reply.serializer(() => text ?? "").type("application/json; charset=utf-8");
      return { openapi: "3.1.0" };
    },
  );
}
