/**
 * Policies: asked before each turn, they may change the model, the tools, the messages, the limits, or stop the
 * run. A policy is a function of the configuration, or a table of rules; either is named by a spec.
 */
import { z } from "zod";
import type { Item } from "./item.ts";
import { type ModelId, modelIdSchema } from "./model-id.ts";

export const policyDecisionSchema = z.strictObject({
  /** Hand the run to this model before the turn; it must be one of the run's. */
  model: modelIdSchema.optional(),
  /** Only these tools, by name, with `*` at the end as a wildcard. */
  allowTools: z.array(z.string()).optional(),
  denyTools: z.array(z.string()).optional(),
  /** Put before or after the run's own instructions, for this turn alone. */
  instructionsPrepend: z.string().optional(),
  instructionsAppend: z.string().optional(),
  maxTurns: z.int().min(1).optional(),
  maxHandoffs: z.int().min(0).optional(),
  /** Ends the run as failed with code `policy_stopped` and this sentence. */
  stop: z.string().optional(),
});
export type PolicyDecision = z.infer<typeof policyDecisionSchema>;

export interface PolicyContext {
  readonly runId: string;
  readonly model: ModelId;
  readonly models: readonly ModelId[];
  /** From 0, over the whole run. */
  readonly phase: number;
  /** Model calls written so far, in the whole run and in this phase. */
  readonly turns: number;
  readonly phaseTurns: number;
  readonly handoffs: number;
  readonly tools: readonly string[];
  readonly items: readonly Item[];
  readonly metadata: Readonly<Record<string, string>>;
}

export type Policy = (
  context: PolicyContext,
) => PolicyDecision | undefined | Promise<PolicyDecision | undefined>;

const range = z.strictObject({ from: z.int().min(0).optional(), to: z.int().min(0).optional() });

/** Rules are asked in order; the decisions of all that match are merged, the later over the earlier. */
export const policyRulesSchema = z.array(
  z.strictObject({
    when: z
      .strictObject({
        model: modelIdSchema.optional(),
        phase: range.optional(),
        turns: range.optional(),
        phaseTurns: range.optional(),
        handoffs: range.optional(),
        metadata: z.record(z.string(), z.string()).optional(),
      })
      .default({}),
    do: policyDecisionSchema,
  }),
);
export type PolicyRules = z.infer<typeof policyRulesSchema>;

/** Asks a policy of either kind; an unknown field or a wrong type in the answer of a function throws. */
export async function askPolicy(
  policy: Policy | PolicyRules,
  context: PolicyContext,
): Promise<PolicyDecision> {
  if (typeof policy === "function") return policyDecisionSchema.parse((await policy(context)) ?? {});
  let decision: PolicyDecision = {};
  for (const rule of policy) if (matches(rule.when, context)) decision = { ...decision, ...rule.do };
  return decision;
}

/** Whether the decision lets the model see the tool of this name. */
export function allowsTool(decision: PolicyDecision, name: string): boolean {
  const covers = (pattern: string) =>
    pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
  if (decision.denyTools?.some(covers)) return false;
  return decision.allowTools === undefined || decision.allowTools.some(covers);
}

function matches(when: PolicyRules[number]["when"], context: PolicyContext): boolean {
  const inside = (bounds: z.infer<typeof range> | undefined, value: number) =>
    bounds === undefined || (value >= (bounds.from ?? 0) && value <= (bounds.to ?? Number.POSITIVE_INFINITY));
  return (
    (when.model === undefined || when.model === context.model) &&
    inside(when.phase, context.phase) &&
    inside(when.turns, context.turns) &&
    inside(when.phaseTurns, context.phaseTurns) &&
    inside(when.handoffs, context.handoffs) &&
    Object.entries(when.metadata ?? {}).every(([key, value]) => context.metadata[key] === value)
  );
}
