/** What is decided on a conversation, for a run of two models with an unremarkable spec. */
import { type Item, type ModelId, parseRunSpec } from "@baton/core";
import { decide, type Step, type View } from "../decide.ts";
import { claude, gpt } from "./log.ts";

const TRANSFERS: ReadonlyMap<string, ModelId> = new Map([
  ["transfer_to_claude", claude],
  ["transfer_to_gpt_2", gpt],
]);

export function viewOf(items: readonly Item[], more: Partial<View> = {}): View {
  return {
    spec: parseRunSpec({ input: "?", model: [gpt, claude] }),
    items,
    phase: 0,
    model: gpt,
    turns: items.filter((item) => item.origin !== undefined).length,
    handoffs: 0,
    maxTurns: 10,
    maxHandoffs: 3,
    transfers: TRANSFERS,
    clientTools: new Set(["mine"]),
    approvals: new Set(["send", "pay"]),
    isPriced: () => true,
    batch: undefined,
    pausing: false,
    ...more,
  };
}

export function decideOn(items: readonly Item[], more: Partial<View> = {}): Step {
  return decide(viewOf(items, more));
}
