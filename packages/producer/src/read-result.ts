/** The result of a run, told from its record and its conversation. */
import { type Run, type RunResult, type RunSpec, resultOf } from "@baton/core";
import type { Ledger } from "@baton/store";

export async function readResult(
  ledger: Pick<Ledger, "conversation">,
  run: Run,
  spec: RunSpec,
): Promise<RunResult> {
  const items = await ledger.conversation(run.id);
  const format = spec.response_format?.type;
  return resultOf(run, items, { parseJson: format === "json_object" || format === "json_schema" });
}
