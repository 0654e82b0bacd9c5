/** Waits for a run as long as a client can be expected to. */
import { isTerminal, type Run, type RunId } from "@baton/core";
import type { RunService } from "@baton/producer";
import { Patience, standsStill, type WaitBounds } from "./patience.ts";

/** The run at its end; when it stands still for too long, or on abort, as it is then. */
export async function awaitRun(
  runs: Pick<RunService, "get" | "result">,
  id: RunId,
  bounds: WaitBounds,
  signal: AbortSignal,
): Promise<Run> {
  const look = async (): Promise<Run> => (await runs.get(id)).run;
  for (;;) {
    await using patience = new Patience(look, bounds);
    await runs.result(id, AbortSignal.any([signal, patience.signal]), ({ reason }) =>
      patience.seeWait(reason),
    );
    const run = await look();
    // One that went on as patience ran out is waited for again.
    if (isTerminal(run.status) || signal.aborted || (await standsStill(run, bounds))) return run;
  }
}
