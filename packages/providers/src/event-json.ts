/** The data of an event, parsed and checked. What does not fit is a provider that does not keep its protocol. */
import type { z } from "zod";
import { type CallContext, protocolFailure } from "./failure.ts";

export function eventJson(data: string, context: CallContext): unknown {
  try {
    return JSON.parse(data);
  } catch (error) {
    throw protocolFailure("sent an event that is no JSON", context, error);
  }
}

export function eventOf<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  context: CallContext,
): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw protocolFailure("sent an event of an unknown form", context, parsed.error);
}
