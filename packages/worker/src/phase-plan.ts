/**
 * What the model of a phase is given: instructions, tools, settings, bounds. Told from the spec, the
 * configuration and the conversation; the same on every worker that is configured alike.
 */
import {
  allowsTool,
  type HandoffTool,
  handoffTools,
  type Item,
  type Limits,
  type ModelConfig,
  type ModelId,
  type ModelSettings,
  modelsOf,
  type PolicyDecision,
  type RunSpec,
  type ToolCatalogue,
  type ToolDefinition,
  type ToolSelection,
} from "@baton/core";
import { pipelineStep, replacedModels } from "./phase-view.ts";

export interface PlanOptions {
  readonly models: Readonly<Record<string, ModelConfig>>;
  readonly limits: Limits;
}

export interface PhasePlan {
  readonly model: ModelId;
  readonly models: readonly ModelId[];
  readonly instructions: string | undefined;
  readonly settings: ModelSettings;
  readonly selection: ToolSelection;
  readonly handoffTools: readonly HandoffTool[];
  readonly clientTools: readonly ToolDefinition[];
  readonly maxTurns: number;
  readonly maxHandoffs: number;
  readonly handoffContext: "full" | "brief";
  /** Milliseconds of work; 0 for no bound. */
  readonly timeoutMs: number;
  /** Milliseconds of each model call, where the spec bounds it. */
  readonly callTimeoutMs: number | undefined;
}

/** What a plan is told from; a session is one. */
export interface PhaseFacts {
  readonly spec: RunSpec;
  readonly items: readonly Item[];
  readonly held: { readonly claim: { readonly pool: ModelId } };
}

/** The plan of the session's phase. It does not change while the phase lasts. */
export function planPhase(session: PhaseFacts, options: PlanOptions): PhasePlan {
  const { spec } = session;
  const model = session.held.claim.pool;
  const step = pipelineStep(spec, session.items)?.now;
  const entries = modelsOf(spec);
  const all = [...new Set([...entries.map((entry) => entry.model), model])];
  const replaced = replacedModels(session.items);
  const models = all.filter((one) => one === model || !replaced.has(one));
  // In a pipeline a model's settings are its step's: the same model may have others in another step.
  const chosen =
    step === undefined ? entries.find((entry) => entry.model === model)?.settings : step.settings;
  const strengths = (id: ModelId) => options.models[id]?.strengths;
  return {
    model,
    models,
    instructions: instructionsOf(spec, step?.instructions),
    settings: { ...options.models[model]?.settings, ...spec.settings, ...chosen },
    selection: {
      servers: step?.mcp_servers ?? spec.mcp_servers ?? [],
      functions: step?.tools ?? (spec.tools ?? []).filter((tool) => typeof tool === "string"),
    },
    // In a pipeline the order is fixed: nobody chooses whom to hand to.
    // All models are named, so that a name means the same one in each phase.
    handoffTools:
      spec.phases === undefined
        ? handoffTools(all, model, strengths).filter((tool) => models.includes(tool.to))
        : [],
    clientTools: clientToolsOf(spec),
    maxTurns: spec.max_turns ?? options.limits.maxTurns,
    maxHandoffs:
      spec.phases === undefined ? (spec.max_handoffs ?? options.limits.maxHandoffs) : spec.phases.length,
    handoffContext: spec.handoff?.context ?? "full",
    timeoutMs: Math.ceil((step?.timeout ?? spec.phase_timeout ?? options.limits.phaseTimeout) * 1_000),
    callTimeoutMs: spec.call_timeout === undefined ? undefined : Math.ceil(spec.call_timeout * 1_000),
  };
}

/** The tools that the model is shown on a turn, sorted by name: the same turn renders to the same bytes. */
export function toolsOfTurn(
  plan: PhasePlan,
  catalogue: ToolCatalogue,
  decision: PolicyDecision,
  handoffs: number,
): readonly ToolDefinition[] {
  const mayHandOff = handoffs < (decision.maxHandoffs ?? plan.maxHandoffs);
  const transfers = mayHandOff ? plan.handoffTools.map((tool) => tool.definition) : [];
  // A name that the caller gave to its own function means that function.
  const own = new Set(plan.clientTools.map((tool) => tool.name));
  return [...catalogue.tools.filter((tool) => !own.has(tool.name)), ...plan.clientTools, ...transfers]
    .filter((tool) => allowsTool(decision, tool.name))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** The system instructions with what a policy puts around them. */
export function instructionsOfTurn(plan: PhasePlan, decision: PolicyDecision): string | undefined {
  return joined([decision.instructionsPrepend, plan.instructions, decision.instructionsAppend]);
}

function instructionsOf(spec: RunSpec, step: string | undefined): string | undefined {
  // System messages among the spec's messages are instructions too: they are not in the log.
  const system = (spec.messages ?? []).flatMap((message) => {
    if (message.role !== "system" && message.role !== "developer") return [];
    if (typeof message.content === "string") return [message.content];
    return message.content.flatMap((part) => (part.type === "text" ? [part.text] : []));
  });
  return joined([spec.instructions, ...system, step]);
}

function clientToolsOf(spec: RunSpec): readonly ToolDefinition[] {
  return (spec.tools ?? []).flatMap((tool) => {
    if (typeof tool === "string") return [];
    return [
      {
        name: tool.function.name,
        description: tool.function.description ?? "",
        inputSchema: tool.function.parameters ?? { type: "object", properties: {} },
        ...(tool.function.strict === true ? { strict: true as const } : {}),
        readOnly: true,
        idempotent: true,
        approval: false,
        origin: { kind: "client" as const },
      },
    ];
  });
}

function joined(texts: readonly (string | undefined)[]): string | undefined {
  const present = texts.filter((text) => text !== undefined && text !== "");
  return present.length === 0 ? undefined : present.join("\n\n");
}
