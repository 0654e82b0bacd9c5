/** What the paths of all calls on one batch have in common. */
import { z } from "zod";

export const batchParams = z.object({
  id: z.string().min(1).max(129).describe("As the answer to its submission says it."),
});
