/** A pause between two looks at something; an abort ends it with the abort's own reason. */
import { setTimeout as delay } from "node:timers/promises";

export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
