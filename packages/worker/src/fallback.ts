/**
 * Fallback: when a model failed for good, control passes to the next model of the list, as a recorded handoff. The list
 * is walked once: whoever held control since the last handoff of another kind, or the last retry, is not asked again.
 */
import { fallbackModels, type Item, type ModelId, type RunSpec } from "@baton/core";
import type { Step } from "./decide.ts";
import { pipelineStep, sinceRetry } from "./phase-view.ts";

export interface FallbackView {
  readonly spec: RunSpec;
  readonly items: readonly Item[];
  readonly model: ModelId;
}

export interface Failure {
  readonly code: string;
  readonly message: string;
}

/** What another provider, or a model with more room, may do better. Bounds, policies and bugs are none of it. */
const CODES: ReadonlySet<string> = new Set([
  "provider_unreachable",
  "provider_timeout",
  "provider_rate_limited",
  "provider_overloaded",
  "provider_auth",
  "provider_rejected",
  "provider_protocol",
  "context_too_long",
]);
const REFUSALS: ReadonlySet<string> = new Set(["refusal", "content_filter"]);

/** The handoff to the next model, or undefined when there is none for this failure. */
export function fallbackStep(view: FallbackView, failure: Failure): Step | undefined {
  const { models, onRefusal } = fallbackOf(view);
  if (!CODES.has(failure.code) && !(onRefusal && REFUSALS.has(failure.code))) return undefined;
  const tried = triedSince(view);
  const to = models.find((model) => !tried.has(model));
  if (to === undefined) return undefined;
  return {
    kind: "handoff",
    to,
    by: "fallback",
    reason: `${view.model} failed: ${failure.code}`,
    brief: "Go on with the task from here.",
    call: undefined,
    losers: [],
  };
}

function fallbackOf({ spec, items }: FallbackView): {
  readonly models: readonly ModelId[];
  readonly onRefusal: boolean;
} {
  const fallback = pipelineStep(spec, items)?.now.fallback ?? spec.fallback ?? [];
  return { models: fallbackModels(fallback), onRefusal: "models" in fallback && fallback.on_refusal };
}

/** The model in control, and those that fell back on the way to it. */
function triedSince({ items, model }: FallbackView): ReadonlySet<ModelId> {
  const tried = new Set<ModelId>([model]);
  const handoffs = (sinceRetry(items) ?? items).flatMap((item) =>
    item.parts.filter((part) => part.type === "handoff"),
  );
  for (const handoff of handoffs.reverse()) {
    if (handoff.by !== "fallback") break;
    tried.add(handoff.from);
  }
  return tried;
}
