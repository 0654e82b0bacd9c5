/**
 * Whether the models of a batch's lines can be called by anybody: told when the file is checked, each model once, so that
 * a wrong name does not come to light as a hundred thousand runs that wait for ever.
 */
import {
  type AdapterLookup,
  type ModelId,
  matchesModelPattern,
  type RunSpec,
  toBatonError,
} from "@baton/core";
import { listWorkers } from "@baton/store";
import { adaptersOf } from "@baton/worker-app/serve";
import type { LocalContext } from "./command-context.ts";
import { modelsNamedBy } from "./served-models.ts";

export interface ModelCheck {
  /** What is wrong with the models of a spec. */
  readonly check: (spec: RunSpec) => string | undefined;
  /** The models of the specs that were checked which no live worker serves. */
  readonly unserved: () => readonly ModelId[];
}

export async function checkModels(context: LocalContext): Promise<ModelCheck> {
  const patterns = (await listWorkers(context.store.connection)).flatMap((worker) => worker.patterns);
  const adapters = adaptersOf(context.config, context.environment);
  const known = new Map<ModelId, string | undefined>();
  const unserved = new Set<ModelId>();
  const look = (model: ModelId): string | undefined => {
    if (patterns.some((pattern) => matchesModelPattern(pattern, model))) return undefined;
    unserved.add(model);
    return problemOf(adapters, model);
  };
  return {
    check: (spec) => {
      for (const model of modelsNamedBy(spec)) {
        if (!known.has(model)) known.set(model, look(model));
        const problem = known.get(model);
        if (problem !== undefined) return problem;
      }
      return undefined;
    },
    unserved: () => [...unserved],
  };
}

function problemOf(adapters: AdapterLookup, model: ModelId): string | undefined {
  try {
    adapters(model);
    return undefined;
  } catch (thrown) {
    const error = toBatonError(thrown);
    // A key that is missing here may be there where the workers are.
    return error.code === "missing_key" ? undefined : error.message;
  }
}
