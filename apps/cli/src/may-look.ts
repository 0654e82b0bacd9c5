/**
 * Keys that may act through an API and not look. What they may do is done, and no look around it makes a failure of that; what
 * has to look in the end says so before anything is done.
 */
import { BatonError } from "@baton/core";
import type { CommandContext } from "./command-context.ts";

/** For `catch` behind a look that an act can do without. */
export function unlessForbidden(error: unknown): undefined {
  if (!isForbidden(error)) throw error;
}

/** Throws `forbidden` when the key may not look at runs; `otherwise` is what it can do. */
export async function demandLook({ at, runs }: CommandContext, otherwise: string): Promise<void> {
  if (at === "redis") return;
  try {
    await runs.page({ limit: 1 });
  } catch (error) {
    if (!isForbidden(error)) throw error;
    throw new BatonError("forbidden", `${error.message}; ${otherwise}`, { cause: error });
  }
}

function isForbidden(error: unknown): error is BatonError {
  return error instanceof BatonError && error.code === "forbidden";
}
