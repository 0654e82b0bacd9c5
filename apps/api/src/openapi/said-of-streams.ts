/**
 * Answers that come as a stream are text to OpenAPI 3.1, which has no word for what they are made of. `x-item-schema` is
 * the schema of each event's data, or of each line.
 */
import { asJson, type Json } from "./json.ts";

const EVENTS = "text/event-stream";
const LINES = "application/x-ndjson";

/** By operation: what the stream that answers it is made of. */
const ITEMS: Readonly<Record<string, { readonly media: string; readonly item: object }>> = {
  watchRun: {
    media: EVENTS,
    item: {
      anyOf: [
        component("Event"),
        {
          type: "object",
          required: ["status"],
          properties: { status: { type: "string" } },
          description: "Of the event `end`: how the run ended.",
        },
        { ...component("Problem"), description: "Of the event `problem`: why events cannot be told." },
      ],
    },
  },
  getBatchResults: { media: LINES, item: component("BatchResult") },
  getBatchErrors: { media: LINES, item: component("BatchError") },
};

/** Acts that tell of their progress when `Accept` asks for lines. */
const ACTS = new Set(["submitBatch", "retryBatch", "cancelBatch", "changeBatch"]);

/** Calls that are answered as a whole, or by OpenAI's events when the request says `stream`. */
const OPENAI: ReadonlySet<string> = new Set(["createChatCompletion", "createResponse", "getResponse"]);

export function addStreams(operationId: string, responses: Json): void {
  const content = asJson(asJson(responses["200"]).content);
  const stream = ITEMS[operationId];
  if (stream !== undefined) asJson(content[stream.media])["x-item-schema"] = stream.item;
  if (OPENAI.has(operationId)) {
    const description = "With `stream`: OpenAI's events, as its own document has them.";
    content[EVENTS] = { schema: { type: "string", description } };
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

function component(name: string): object {
  return { $ref: `#/components/schemas/${name}` };
}
