/** Why a run does not move, for people: what it waits for, who does not serve it, what holds its pool. */
import type { Run } from "@baton/core";
import { isServing, type Ledger, listWorkers } from "@baton/store";

/** Undefined when there is nothing to say: the run is over, or moves. */
export async function readNotice(
  ledger: Pick<Ledger, "redis" | "holds">,
  run: Run,
): Promise<string | undefined> {
  if (run.status === "waiting") return waitNotice(run);
  if (run.status !== "queued" && run.status !== "running") return undefined;
  const [workers, holds] = await Promise.all([listWorkers(ledger.redis), ledger.holds()]);
  const held = holds.get(run.model);
  const heldNotice = held === undefined ? undefined : `the pool ${run.model} is ${holdText(held)}`;
  if (!workers.some((worker) => isServing(worker, run.model))) {
    const notices = [
      `no live worker serves ${run.model}: start one with \`baton worker -m ${run.model}\``,
      heldNotice,
    ];
    return notices.filter((notice) => notice !== undefined).join("; ");
  }
  if (run.status === "running") return undefined;
  if (run.missing !== undefined)
    return `no worker of ${run.model} has what it needs: ${run.missing.join(", ")}`;
  if (heldNotice !== undefined) return heldNotice;
  if (run.notBefore === undefined) return undefined;
  const failure =
    run.lastFailure === undefined ? "" : `, after ${run.failures} failed calls: ${run.lastFailure.message}`;
  return `not before ${new Date(run.notBefore).toISOString()}${failure}`;
}

/** What holds a pool. `ms`: for how long, from now; without end when a person paused it. */
function holdText(ms: number): string {
  return ms === Number.POSITIVE_INFINITY ? "paused" : `rate limited for ${Math.ceil(ms / 1_000)} s`;
}

function waitNotice(run: Extract<Run, { status: "waiting" }>): string {
  switch (run.reason) {
    case "approval":
      return `waits for ${run.detail ?? "a person's word"}: \`baton runs approve ${run.id}\`, or reject`;
    case "budget":
      return run.detail ?? "its budget is spent";
    case "client_tools":
      return "waits for results of its caller's own tools";
    case "paused":
      return `paused: \`baton runs resume ${run.id}\``;
  }
}
