/** Tells a damaged record of one run, which must not hide the others, from what is wrong with Redis or with this code. */
import { BatonError } from "@baton/core";

/** Whether it was thrown because what lies in the store of a run is none, or not what a run has. */
export function isFaultOfRecord(error: unknown): boolean {
  if (error instanceof BatonError) return error.code === "store_corrupt";
  if (!(error instanceof Error)) return false;
  return error instanceof SyntaxError || error.name === "ZodError" || /WRONGTYPE/.test(error.message);
}
