/**
 * A held pool calls no model. A short hold is waited for in place; otherwise the place is given to others and the run
 * comes back when the hold is over, a little spread, so that the pool does not come back as one. So does a run for whose
 * next call the limits of its account leave no room.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { ModelId } from "@baton/core";
import type { CallResult } from "./call-model.ts";
import type { PhaseSession } from "./phase-session.ts";
import type { WorkerDeps } from "./worker-deps.ts";

/** A hold of the pool that is as short is waited for in place. */
const SHORT_HOLD_MS = 1_000;
/** When a run of a paused pool is looked at again, should a worker take it before it hears of the pause. */
const PAUSED_POOL_MS = 1_000;

/** `free`: the model may be called now. `waited`: look again at everything. */
export async function waitForPool(
  session: Pick<PhaseSession, "held" | "tries" | "end">,
  pool: ModelId,
  deps: Pick<WorkerDeps, "holds" | "ids">,
): Promise<"free" | "waited" | "held" | "lost"> {
  const ms = deps.holds.msOf(pool);
  if (ms === 0) return "free";
  if (ms <= SHORT_HOLD_MS) {
    await delay(ms, undefined, { signal: session.held.signal }).catch(() => undefined);
    return session.held.signal.aborted ? "lost" : "waited";
  }
  const [byte = 0] = deps.ids.random(1);
  const delayMs = ms === Number.POSITIVE_INFINITY ? PAUSED_POOL_MS : Math.ceil(ms * (1 + byte / 1_024));
  const ended = await session.end({ kind: "requeue", delayMs, tries: session.tries }, [], []);
  return ended.kind === "lost" ? "lost" : "held";
}

/** The account's limit leaves no room for a while: the run gives its place back until then. It is no failed attempt. */
export async function comeBack(
  session: Pick<PhaseSession, "tries" | "end">,
  { ms, limit }: Extract<CallResult, { kind: "later" }>,
): Promise<"held" | "lost"> {
  const message = `waits for the limit of ${limit}: about ${Math.ceil(ms / 1_000)} s`;
  const ended = await session.end(
    { kind: "requeue", delayMs: ms, tries: session.tries },
    [],
    [{ type: "notice", code: "provider_limit", message }],
  );
  return ended.kind === "lost" ? "lost" : "held";
}
