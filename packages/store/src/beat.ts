/** `beat`: one heartbeat of a worker process. It tells that the worker lives, and hears what it must know at once. */
import type { ModelId } from "@baton/core";
import type { Claim } from "./claim-run.ts";
import { readHoldPairs } from "./hold-pool.ts";
import { runKeys, shardKeys } from "./keys.ts";
import type { RunScript } from "./scripts.ts";

/** A sign of life, shown by `pools` and asked for by the reconciler. */
export interface WorkerBeat {
  readonly workerId: string;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly patterns: readonly string[];
  readonly pools: readonly string[];
  readonly concurrency: number;
  readonly active: number;
}

export interface LostClaim {
  readonly claim: Claim;
  readonly kind: "fenced" | "pausing";
  readonly status: string;
}

export interface BeatReply {
  readonly lost: readonly LostClaim[];
  /** Milliseconds for which each held pool is held; a paused one for ever. */
  readonly holds: ReadonlyMap<ModelId, number>;
}

export async function beatOnce(
  run: RunScript,
  beat: WorkerBeat,
  claims: readonly Claim[],
): Promise<BeatReply> {
  const { workerId, ...rest } = beat;
  const { workers, holds } = shardKeys(0);
  const [lost, held] = await run(
    "beat",
    [workers, holds, ...claims.map((claim) => runKeys(claim.runId).run)],
    [workerId, JSON.stringify(rest), ...claims.flatMap((claim) => [String(claim.epoch), claim.claimId])],
  );
  return {
    lost: listOf(lost).flatMap((entry) => readLost(entry, claims)),
    holds: readHoldPairs(listOf(held)),
  };
}

function readLost(entry: unknown, claims: readonly Claim[]): readonly LostClaim[] {
  const [place, kind, status] = listOf(entry).map(String);
  const claim = claims[Number(place)];
  if (claim === undefined) return [];
  return [{ claim, kind: kind === "pausing" ? "pausing" : "fenced", status: status ?? "" }];
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
