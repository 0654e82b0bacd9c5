/**
 * Whether the models of a batch's lines can be called by anybody: told when the file is checked, each model once, so that
 * a wrong name does not come to light as a hundred thousand runs that wait for ever.
 */
import {
  type Config,
  fallbackModels,
  type ModelId,
  matchesModelPattern,
  modelsOf,
  PROVIDER_PRESETS,
  type RunSpec,
  splitModelId,
} from "@baton/core";

/** A file may name as many models as it has lines. */
const REMEMBERED_MAX = 10_000;
const UNSERVED_MAX = 100;

export interface ModelCheck {
  /** What is wrong with the models of a spec. */
  readonly check: (spec: RunSpec) => string | undefined;
  /** Models of the specs that were checked which no live worker serves; the first hundred. */
  readonly unserved: () => readonly ModelId[];
}

/** `patterns`: of the live workers. */
export function openModelCheck(
  { providers }: Pick<Config, "providers">,
  patterns: readonly string[],
): ModelCheck {
  const names = new Set([...Object.keys(PROVIDER_PRESETS), ...Object.keys(providers)]);
  const known = new Map<ModelId, string | undefined>();
  const unserved = new Set<ModelId>();
  const look = (model: ModelId): string | undefined => {
    if (patterns.some((pattern) => matchesModelPattern(pattern, model))) return undefined;
    if (unserved.size < UNSERVED_MAX) unserved.add(model);
    const { provider } = splitModelId(model);
    if (names.has(provider)) return undefined;
    return `${model}: there is no provider ${provider}; known are ${[...names].sort().join(", ")}`;
  };
  return {
    check: (spec) => {
      for (const model of modelsNamedBy(spec)) {
        const problem = known.has(model) ? known.get(model) : look(model);
        if (known.size < REMEMBERED_MAX) known.set(model, problem);
        if (problem !== undefined) return problem;
      }
      return undefined;
    },
    unserved: () => [...unserved],
  };
}

function modelsNamedBy(spec: RunSpec): readonly ModelId[] {
  return [
    ...modelsOf(spec).map((entry) => entry.model),
    ...fallbackModels(spec.fallback),
    ...(spec.phases ?? []).flatMap((phase) => fallbackModels(phase.fallback)),
  ];
}
