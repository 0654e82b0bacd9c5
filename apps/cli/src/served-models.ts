/** Which models a run may come to, and whether a live worker serves them. */
import { BatonError, fallbackModels, type ModelId, modelsOf, type RunSpec } from "@baton/core";
import type { RunService } from "@baton/producer";

/** Every model that a run of the spec may come to; one may be named twice. */
export function modelsNamedBy(spec: RunSpec): readonly ModelId[] {
  return [
    ...modelsOf(spec).map((entry) => entry.model),
    ...fallbackModels(spec.fallback),
    ...(spec.phases ?? []).flatMap((phase) => fallbackModels(phase.fallback)),
  ];
}

/** Those of the models that no live worker serves, each once. */
export async function unservedOf(
  runs: Pick<RunService, "pool">,
  models: readonly ModelId[],
): Promise<readonly ModelId[]> {
  const distinct = [...new Set(models)];
  const served = await Promise.all(distinct.map((model) => isServed(runs, model)));
  return distinct.filter((_, place) => served[place] === false);
}

async function isServed(runs: Pick<RunService, "pool">, model: ModelId): Promise<boolean> {
  try {
    return (await runs.pool(model)).workers > 0;
  } catch (error) {
    // A pool that is served is known.
    if (error instanceof BatonError && error.code === "not_found") return false;
    throw error;
  }
}
