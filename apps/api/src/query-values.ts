/**
 * Numbers and booleans of a query, which is text. They are written as JSON writes them, as the document says: an empty
 * value is no zero, and neither `0x10` nor `yes` is what a client made of the document would send.
 */
import { z } from "zod";

const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

/** What `schema` takes, out of text. */
export function queryNumber(schema: z.ZodNumber) {
  return z.preprocess(
    (value) => (typeof value === "string" && JSON_NUMBER.test(value) ? Number(value) : value),
    schema,
  );
}

/** The same, with a value for when it is absent. To JSON Schema, zod does not tell that value by itself. */
export function queryNumberOr(absent: number, schema: z.ZodNumber) {
  return queryNumber(schema).default(absent).meta({ default: absent });
}

/** `true` or `false`; absent: false. */
export const queryFlag = z
  .stringbool({ truthy: ["true"], falsy: ["false"], case: "sensitive" })
  // To JSON Schema it is text; what the text says is a boolean.
  .meta({ type: "boolean" })
  .default(false)
  .meta({ default: false });
