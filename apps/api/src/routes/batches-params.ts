/** What the paths of all calls on one batch have in common. */
import { BATCH_ID } from "@baton/store";
import { z } from "zod";

/** Where nobody's namespace is told by a key, it may stand before the batch: `team/nightly`. */
export const batchId = z
  .string()
  .regex(BATCH_ID, "a batch's id has 1 to 64 letters, digits, dots, dashes, underscores, and no dot first");

export const batchParams = z.object({
  id: batchId.describe("As the answer to its submission says it."),
});
