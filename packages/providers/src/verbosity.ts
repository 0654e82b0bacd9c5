/** How much to say, as it is sent to a model: `medium` is what all of them do unasked. */
import type { ModelSettings } from "@baton/core";
import type { Drop } from "./drop-list.ts";

type Verbosity = ModelSettings["verbosity"];

export function verbosityFor({ verbosity }: ModelSettings, isTaken: boolean, drop: Drop): Verbosity {
  if (verbosity === undefined || isTaken) return verbosity;
  if (verbosity !== "medium") drop("verbosity", "this model does not take it");
  return undefined;
}
