/** Ids as they were typed. */
import { BatonError, type ModelId, modelIdSchema, type RunId, runIdSchema } from "@baton/core";
import { shorten } from "./terminal.ts";

/** A run's id as it was typed; throws `invalid_spec` for what is none. */
export function parseRunId(id: string): RunId {
  const parsed = runIdSchema.safeParse(id);
  if (parsed.success) return parsed.data;
  throw new BatonError(
    "invalid_spec",
    `${shorten(id, 60)} is no run id: ${parsed.error.issues[0]?.message ?? ""}`,
  );
}

/** A model's id as it was typed; throws `invalid_spec` for what is none. */
export function parseModel(model: string): ModelId {
  const parsed = modelIdSchema.safeParse(model);
  if (parsed.success) return parsed.data;
  throw new BatonError(
    "invalid_spec",
    `${shorten(model, 60)}: ${parsed.error.issues[0]?.message ?? "no model id"}`,
  );
}
