/**
 * An item of a conversation on the wire: JSON in snake_case, times in ISO 8601. `wireItem` writes it and `itemOfWire`
 * reads it back. What callers and models wrote (arguments, details, a vendor's own blocks) keeps its names as they are.
 */
import { z } from "zod";
import {
  filePartSchema,
  handoffPartSchema,
  ITEM_VERSION,
  type Item,
  itemSchema,
  originSchema,
  type Part,
  reasoningPartSchema,
  recordPartSchema,
  serverErrorSchema,
  stopReasonSchema,
  textPartSchema,
  toolCallPartSchema,
} from "./item.ts";
import { usageOfWire, wireUsage, wireUsageSchema } from "./result.ts";

const wireFileSchema = filePartSchema.omit({ mediaType: true }).extend({ media_type: z.string() });

export const wirePartSchema = z.discriminatedUnion("type", [
  textPartSchema,
  wireFileSchema,
  reasoningPartSchema,
  toolCallPartSchema.omit({ callId: true }).extend({ call_id: z.string() }),
  z.object({
    type: z.literal("tool_result"),
    call_id: z.string(),
    name: z.string(),
    is_error: z.boolean(),
    content: z.array(z.union([textPartSchema, wireFileSchema])),
    server: z.string().optional().describe("The MCP server whose tool it was."),
  }),
  handoffPartSchema,
  z.object({ type: z.literal("tool_started"), call_id: z.string() }),
  recordPartSchema,
]);
export type WirePart = z.infer<typeof wirePartSchema>;

export const wireItemSchema = z.object({
  v: z.literal(ITEM_VERSION),
  seq: itemSchema.shape.seq.describe("Place in the conversation, from 0."),
  phase: itemSchema.shape.phase,
  epoch: itemSchema.shape.epoch,
  at: z.iso.datetime(),
  role: itemSchema.shape.role.describe(
    "`control` items steer the run and are shown to no model, handoffs excepted.",
  ),
  parts: z.array(wirePartSchema),
  origin: originSchema
    .omit({ responseId: true })
    .extend({ response_id: z.string().optional() })
    .optional()
    .describe("Who wrote it; absent for what was submitted."),
  usage: wireUsageSchema.optional(),
  cost_usd: z.number().nullable().optional().describe("Null when the price of the call was not known."),
  stop_reason: stopReasonSchema.optional(),
  server_errors: z
    .array(serverErrorSchema)
    .optional()
    .describe("MCP servers that could not be reached: the reply was made without their tools."),
});
export type WireItem = z.infer<typeof wireItemSchema>;

export function wireItem(item: Item): WireItem {
  const { origin } = item;
  return {
    v: item.v,
    seq: item.seq,
    phase: item.phase,
    epoch: item.epoch,
    at: new Date(item.at).toISOString(),
    role: item.role,
    parts: item.parts.map(wirePart),
    origin: origin && {
      provider: origin.provider,
      api: origin.api,
      model: origin.model,
      response_id: origin.responseId,
    },
    usage: item.usage && wireUsage(item.usage),
    cost_usd: item.costUsd,
    stop_reason: item.stopReason,
    server_errors: item.serverErrors,
  };
}

/** Throws a `ZodError` for what is no item. */
export function itemOfWire(wire: WireItem): Item {
  const { origin } = wire;
  return itemSchema.parse({
    v: wire.v,
    seq: wire.seq,
    phase: wire.phase,
    epoch: wire.epoch,
    at: Date.parse(wire.at),
    role: wire.role,
    parts: wire.parts.map(partOfWire),
    origin: origin && {
      provider: origin.provider,
      api: origin.api,
      model: origin.model,
      responseId: origin.response_id,
    },
    usage: wire.usage && usageOfWire(wire.usage),
    costUsd: wire.cost_usd,
    stopReason: wire.stop_reason,
    serverErrors: wire.server_errors,
  });
}

function wirePart(part: Part): WirePart {
  switch (part.type) {
    case "file":
      return wireFile(part);
    case "tool_call":
    case "tool_started": {
      const { callId, ...rest } = part;
      return { ...rest, call_id: callId };
    }
    case "tool_result": {
      const { callId, isError, content, ...rest } = part;
      const inside = content.map((one) => (one.type === "file" ? wireFile(one) : one));
      return { ...rest, call_id: callId, is_error: isError, content: inside };
    }
    case "text":
    case "reasoning":
    case "handoff":
    case "record":
      return part;
  }
}

function partOfWire(part: WirePart): Part {
  switch (part.type) {
    case "file":
      return fileOfWire(part);
    case "tool_call":
    case "tool_started": {
      const { call_id, ...rest } = part;
      return { ...rest, callId: call_id };
    }
    case "tool_result": {
      const { call_id, is_error, content, ...rest } = part;
      const inside = content.map((one) => (one.type === "file" ? fileOfWire(one) : one));
      return { ...rest, callId: call_id, isError: is_error, content: inside };
    }
    case "text":
    case "reasoning":
    case "handoff":
    case "record":
      return part;
  }
}

function wireFile({ mediaType, ...rest }: z.infer<typeof filePartSchema>): z.infer<typeof wireFileSchema> {
  return { ...rest, media_type: mediaType };
}

function fileOfWire({ media_type, ...rest }: z.infer<typeof wireFileSchema>): z.infer<typeof filePartSchema> {
  return { ...rest, mediaType: media_type };
}
