/** A run as the API answers it, and what a program that has Redis would read of it. */
import {
  type Run,
  type RunResult,
  runOfWire,
  runResultSchema,
  storedSpecSchema,
  wirePhase,
  wireRunSchema,
  wireUsage,
} from "@baton/core";
import { z } from "zod";
import { unreadable } from "./server-errors.ts";

export const runViewSchema = wireRunSchema.extend({
  final_output: runResultSchema.shape.final_output,
  output_parsed: runResultSchema.shape.output_parsed,
  models_used: runResultSchema.shape.models_used,
  tools_called: runResultSchema.shape.tools_called,
  notice: z.string().optional(),
  spec: storedSpecSchema,
});
export type RunView = z.infer<typeof runViewSchema>;

export const submittedRunSchema = runViewSchema.extend({ created: z.boolean() });

export function runOfView(view: z.infer<typeof wireRunSchema>): Run {
  try {
    return runOfWire(view);
  } catch (error) {
    throw unreadable(`the run ${view.id}`, error);
  }
}

export function resultOfView(view: RunView): RunResult {
  const run = runOfView(view);
  return {
    id: run.id,
    ...(run.customId === undefined ? {} : { custom_id: run.customId }),
    status: run.status,
    final_output: view.final_output,
    ...(view.output_parsed === undefined ? {} : { output_parsed: view.output_parsed }),
    models_used: view.models_used,
    phases: run.phases.map(wirePhase),
    tools_called: view.tools_called,
    usage: wireUsage(run.usage),
    cost_usd: run.costUsd,
    ...(view.waits_for === undefined ? {} : { waits_for: view.waits_for }),
    ...(run.status === "failed" ? { error: run.error } : {}),
  };
}
