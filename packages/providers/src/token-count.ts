/** A count of tokens as providers write it: missing, null or nonsense is none. */
import { z } from "zod";

export const tokenCount = z
  .number()
  .min(0)
  .transform(Math.round)
  .nullish()
  .catch(undefined)
  .transform((count) => count ?? 0);
