/**
 * Handoff tools: with several models, the one in control gets a `transfer_to_<model>` tool for each other model,
 * described by what that model is good at, with arguments `{reason, brief}`.
 */
import { type ModelId, transferToolName } from "./model-id.ts";
import type { ToolDefinition } from "./tool-host.ts";

/** What models are told of one another, unless the configuration says otherwise. */
export const DEFAULT_STRENGTHS: Readonly<Record<string, string>> = {
  "openai/gpt-5.2": "calling tools, research and step-by-step reasoning",
  "xai/grok-4-1-fast-reasoning": "calling tools and reasoning",
  "anthropic/claude-opus-4-5": "writing: clear, engaging, well-structured prose; and code",
  "openai/gpt-5-codex": "code",
  "openai/gpt-5-mini": "fast and cheap answers",
};

export interface HandoffTool {
  readonly to: ModelId;
  readonly definition: ToolDefinition;
}

const ARGUMENTS = {
  type: "object",
  properties: {
    reason: { type: "string", description: "Why control should move now, in one sentence." },
    brief: {
      type: "string",
      description:
        "What the other model should do next, and what it must know. It also sees the conversation unless told otherwise.",
    },
  },
  required: ["reason", "brief"],
  additionalProperties: false,
} as const;

/** The transfer tools for the models of a run other than `current`; names that collide are numbered. */
export function handoffTools(
  models: readonly ModelId[],
  current: ModelId,
  strengths: (model: ModelId) => string | undefined,
): readonly HandoffTool[] {
  const taken = new Set<string>();
  const tools: HandoffTool[] = [];
  // Every model is named, the current one too, so that a name means the same model in each phase of the run.
  for (const to of new Set(models)) {
    const base = transferToolName(to);
    let name = base;
    for (let number = 2; taken.has(name); number += 1) name = `${base}_${number}`;
    taken.add(name);
    if (to === current) continue;
    const good = strengths(to) ?? DEFAULT_STRENGTHS[to];
    tools.push({
      to,
      definition: {
        name,
        description: `Hand the task over to the model ${to}${good === undefined ? "" : `, which is good at: ${good}`}. It takes control and goes on from here; you do not get it back unless it hands it to you.`,
        inputSchema: ARGUMENTS,
        readOnly: true,
        idempotent: true,
        approval: false,
        origin: { kind: "transfer" },
      },
    });
  }
  return tools;
}

/** The text of a handoff as the next model reads it: a plain user message. */
export function handoffText(handoff: {
  readonly from: ModelId;
  readonly to: ModelId;
  readonly reason: string;
  readonly brief: string;
}): string {
  const lines = [`Control has been handed over from ${handoff.from} to you, ${handoff.to}.`];
  if (handoff.reason !== "") lines.push(`Reason: ${handoff.reason}`);
  if (handoff.brief !== "") lines.push(`Brief: ${handoff.brief}`);
  return lines.join("\n");
}
