/**
 * A parameter that a call does not know is refused, so that a misspelt one does not go unnoticed. Calls that take none have
 * no schema for them; here they get one.
 */
import { z } from "zod";
import type { ApiApp } from "./api-context.ts";

/** What clients of OpenAI and of MCP call may be asked with parameters of theirs, and so may probes. */
const OURS = /^\/v1\/(runs|batches|pools|workers)(\/|$)/;

/** To be called before routes are added. */
export function refuseUnknownParameters(app: ApiApp): void {
  app.addHook("onRoute", (route) => {
    if (!OURS.test(route.url) || route.schema?.querystring !== undefined) return;
    route.schema = { ...route.schema, querystring: z.strictObject({}) };
  });
}
