/**
 * Answers that come as a stream are text to OpenAPI 3.1, which has no word for what they are made of. `x-item-schema` names
 * the schema of each event's data, or of each line.
 */
import { asJson, type Json } from "./json.ts";

const EVENTS = "text/event-stream";
const LINES = "application/x-ndjson";

/** By operation: what the stream that answers it is made of. */
const ITEMS: Readonly<Record<string, { readonly media: string; readonly item: string }>> = {
  watchRun: { media: EVENTS, item: "Event" },
  getBatchResults: { media: LINES, item: "BatchResult" },
  getBatchErrors: { media: LINES, item: "BatchError" },
};

/** Acts that tell of their progress when `Accept` asks for lines. */
const ACTS = new Set(["submitBatch", "retryBatch", "cancelBatch", "changeBatch"]);

export function addStreams(operationId: string, responses: Json): void {
  const content = asJson(asJson(responses["200"]).content);
  const stream = ITEMS[operationId];
  if (stream !== undefined) {
    asJson(content[stream.media])["x-item-schema"] = { $ref: `#/components/schemas/${stream.item}` };
  }
  if (!ACTS.has(operationId)) return;
  content[LINES] = {
    schema: { type: "string" },
    "x-item-schema": {
      type: "object",
      required: ["type"],
      properties: { type: { enum: ["progress", "changed", "refused", "done", "error"] } },
      description:
        "With `Accept: application/x-ndjson`: lines as the act goes on. The last one is `done`, with what would have been the answer, or `error`.",
    },
  };
}
