/** The work of the scale tests: runs that pass from a first model to a second, and what must be true of them after. */
import { type RunId, shardOf } from "@baton/core";
import { expect } from "vitest";
import { call, type Script, text } from "../support/scripted-model.ts";
import type { Rig } from "../support/worker-rig.ts";

export const FIRST = "openai/first";
export const SECOND = "openai/second";
export const PATTERNS = ["openai/*"];

/** The first model hands off, the second answers with what it was asked. */
export const relay: Script = ({ model, items }) => {
  const asked = items.flatMap(({ parts }) => parts).find((part) => part.type === "text");
  if (model === FIRST)
    return { parts: [call("transfer_to_openai_second", { reason: "yours", brief: "go on" })] };
  return { parts: [text(`done: ${asked?.type === "text" ? asked.text : "?"}`)] };
};

export interface Submission {
  readonly batch?: { readonly id: string; readonly customId: string; readonly admit?: boolean } | undefined;
  readonly idempotencyKey?: string;
}

export async function submit(rig: Rig, input: string, options: Submission = {}): Promise<RunId> {
  const spec = { input, model: [FIRST, SECOND] };
  return (await rig.producer.submit(spec, options)).runId;
}

/** Each run has ended well, after one phase of each model, with one reply of each in its log. */
export async function expectDone(rig: Rig, ids: readonly RunId[], signal: AbortSignal): Promise<void> {
  await Promise.all(
    ids.map(async (id) => {
      const result = await rig.producer.result(id, signal);
      expect(result).toMatchObject({ status: "succeeded", final_output: expect.stringMatching(/^done: /) });
      expect(result.phases.map(({ model, status }) => `${model} ${status}`)).toEqual([
        `${FIRST} succeeded`,
        `${SECOND} succeeded`,
      ]);
      const items = await rig.ledger.conversation(id);
      expect(items.filter(({ role }) => role === "assistant")).toHaveLength(2);
    }),
  );
}

/** How many of the runs lie in each shard. */
export function spread(ids: readonly RunId[], shards: number): readonly number[] {
  const counts = Array<number>(shards).fill(0);
  for (const id of ids) counts[shardOf(id)] = (counts[shardOf(id)] ?? 0) + 1;
  return counts;
}
