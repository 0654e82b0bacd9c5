/** How a run is named by its batch: ids that can stand in keys and files, and the key by which a line is found again. */
import { BatonError } from "@baton/core";
import { BATCH_ID } from "@baton/store";
import { CUSTOM_ID_CHARS_MAX } from "./batch-line.ts";

export interface BatchPlace {
  readonly id: string;
  /** The run's name in the batch. */
  readonly customId: string;
}

/** The idempotency key of a batch's run (R8). */
export function batchKey({ id, customId }: BatchPlace): string {
  return `batch ${id} ${customId}`;
}

export function checkBatchId(id: string): void {
  if (BATCH_ID.test(id)) return;
  throw new BatonError(
    "invalid_spec",
    "a batch's id has 1 to 64 letters, digits, dots, dashes, underscores, and no dot first",
  );
}

export function checkBatchPlace({ id, customId }: BatchPlace): void {
  checkBatchId(id);
  if (customId !== "" && customId.length <= CUSTOM_ID_CHARS_MAX) return;
  throw new BatonError(
    "invalid_spec",
    `a run of a batch has a custom id of 1 to ${CUSTOM_ID_CHARS_MAX} characters`,
  );
}
