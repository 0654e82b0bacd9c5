/** Looks at many runs at once, no deeper than the reconciler needs, and without trusting what it finds. */
import { isLive, type ModelId, modelIdSchema, RUN_STATUSES, type RunId, type RunStatus } from "@baton/core";
import { runKeys } from "./keys.ts";
import type { RunGlance } from "./read-run.ts";
import type { RunScript } from "./scripts.ts";

/** A run that must have a queue entry. */
export interface LiveRun extends Omit<RunGlance, "namespace"> {
  readonly status: "queued" | "running";
  readonly isOfBatch: boolean;
}

export type Glance =
  | { readonly kind: "live"; readonly run: LiveRun }
  /** Waiting or terminal. */
  | { readonly kind: "resting" }
  | { readonly kind: "gone" }
  /** The record cannot be read. */
  | { readonly kind: "corrupt" };

/** Runs in one call of the script: it holds Redis for less than a millisecond. */
const AT_ONCE = 250;
const FIELDS = ["status", "pool", "ticket", "epoch", "claim", "priority", "not_before", "batch"];

/** The glances, in the order of the ids. */
export async function glanceRuns(run: RunScript, ids: readonly RunId[]): Promise<readonly Glance[]> {
  const glances: Glance[] = [];
  for (let from = 0; from < ids.length; from += AT_ONCE) {
    const some = ids.slice(from, from + AT_ONCE);
    const looks = await run(
      "glance",
      some.map((id) => runKeys(id).run),
      FIELDS,
    );
    for (const [place, id] of some.entries()) glances.push(readGlance(id, looks[place]));
  }
  return glances;
}

function readGlance(id: RunId, look: unknown): Glance {
  if (!Array.isArray(look)) return { kind: "corrupt" };
  // HMGET replies strings, and null for what is absent, by the protocol.
  const [status, pool, ticket, epoch, claim, priority, notBefore, batch] = look as (string | null)[];
  if (look.every((value) => value === null)) return { kind: "gone" };
  if (!isStatus(status)) return { kind: "corrupt" };
  if (!isLive(status)) return { kind: "resting" };
  const numbers = { ticket: Number(ticket), epoch: Number(epoch) };
  if (!isCount(numbers.ticket) || !isCount(numbers.epoch) || !isPool(pool)) return { kind: "corrupt" };
  return {
    kind: "live",
    run: {
      id,
      status,
      pool,
      ...numbers,
      claimId: claim ?? "",
      priority: Number(priority ?? 0) || 0,
      notBefore: Number(notBefore ?? 0) || undefined,
      isOfBatch: Boolean(batch),
    },
  };
}

function isStatus(value: unknown): value is RunStatus {
  return RUN_STATUSES.some((status) => status === value);
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** Names of pools come again and again, and a pattern match for each would be a good part of a glance. */
const knownPools = new Set<string>();
const KNOWN_POOLS_MAX = 10_000;

function isPool(value: string | null | undefined): value is ModelId {
  if (typeof value !== "string") return false;
  if (knownPools.has(value)) return true;
  if (!modelIdSchema.safeParse(value).success) return false;
  if (knownPools.size >= KNOWN_POOLS_MAX) knownPools.clear();
  knownPools.add(value);
  return true;
}
