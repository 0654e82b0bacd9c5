/** What both endpoints for OpenAI's clients ask of a request, and how long they wait for its run. */
import { isServing, listWorkers } from "@baton/store";
import { z } from "zod";
import type { ApiContext } from "../api-context.ts";
import type { WaitBounds } from "./patience.ts";

/** How long a streamed answer's headers wait for its first word. */
export const BEGIN_MS = 5_000;

export const ANSWER_HEADERS = z.object({
  "idempotency-key": z
    .string()
    .min(1)
    .max(500)
    .optional()
    .describe("The same key with the same body attaches to the same run."),
  traceparent: z.string().max(512).optional(),
  "x-baton-stream": z
    .enum(["live", "turns"])
    .default("live")
    .describe("turns: text is streamed only when its turn is written, so that none is ever taken back."),
});

export function boundsOf({ config, store }: ApiContext): WaitBounds {
  return {
    waitMs: config.api.chatWaitSeconds * 1_000,
    isServed: async (model) =>
      (await listWorkers(store.connection)).some((worker) => isServing(worker, model)),
  };
}
