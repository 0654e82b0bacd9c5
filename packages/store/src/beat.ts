/** `beat`: one heartbeat of a worker process. It tells that the worker lives, and hears what it must know at once. */
import { type ModelId, shardOf } from "@baton/core";
import type { Claim } from "./claim-run.ts";
import { readHoldPairs } from "./hold-pool.ts";
import { runKeys, settingsKey, shardKeys } from "./keys.ts";
import { readSettingPairs, type SettingsRevision } from "./pool-settings.ts";
import type { RunScript } from "./scripts.ts";

/** A sign of life, shown by `pools` and asked for by the reconciler. */
export interface WorkerBeat {
  readonly workerId: string;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly patterns: readonly string[];
  readonly pools: readonly string[];
  /** Places of the process, over all its pools. */
  readonly concurrency: number;
  readonly active: number;
  /** Pools with phases at work, and how many. */
  readonly activeByPool: Readonly<Record<string, number>>;
  /** Pools that may not have all places of the process, and how many they may have. */
  readonly caps: Readonly<Record<string, number>>;
  /** Pools that a pattern matches but that cannot be served here. */
  readonly refused: readonly string[];
  /** Phases that ended here within the last minute, by pool. */
  readonly endedByPool: Readonly<Record<string, number>>;
  /** Pools whose claims Redis refuses to this worker, and how many in a row: it serves no run of them. */
  readonly failingByPool: Readonly<Record<string, number>>;
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
  /** The settings of all pools, when they are not those of the revision that the worker knows. */
  readonly settings?: SettingsRevision | undefined;
}

/**
 * The first shard is told that the worker lives, with the claims that lie there; any other is asked about its claims.
 * Without `beat` nothing but the claims is asked about.
 */
export async function beatOnce(
  run: RunScript,
  beat: WorkerBeat | undefined,
  claims: readonly Claim[],
  knownRev = "",
): Promise<BeatReply> {
  const byShard = Map.groupBy(claims, (claim) => shardOf(claim.runId));
  const askElsewhere = Promise.all(
    [...byShard].map(async ([shard, some]) => {
      if (shard === 0 && beat !== undefined) return [];
      const [lost] = await callBeat(run, shard, ["", "", ""], some);
      return readLost(lost, some);
    }),
  );
  if (beat === undefined) return { lost: (await askElsewhere).flat(), holds: new Map() };
  const here = byShard.get(0) ?? [];
  const { workerId, ...rest } = beat;
  const [[lost, held, rev, settings], others] = await Promise.all([
    callBeat(run, 0, [workerId, JSON.stringify(rest), knownRev], here),
    askElsewhere,
  ]);
  return {
    lost: [...readLost(lost, here), ...others.flat()],
    holds: readHoldPairs(listOf(held)),
    settings:
      rev === undefined ? undefined : { rev: String(rev), settings: readSettingPairs(listOf(settings)) },
  };
}

function callBeat(run: RunScript, shard: number, leading: readonly string[], claims: readonly Claim[]) {
  const { workers, holds } = shardKeys(shard);
  // Settings are the store's, in the first shard; in any other the script finds none in their place.
  const keys = [workers, holds, shard === 0 ? settingsKey() : workers];
  return run(
    "beat",
    [...keys, ...claims.map((claim) => runKeys(claim.runId).run)],
    [...leading, ...claims.flatMap((claim) => [String(claim.epoch), claim.claimId])],
  );
}

function readLost(entries: unknown, claims: readonly Claim[]): readonly LostClaim[] {
  return listOf(entries).flatMap((entry): readonly LostClaim[] => {
    const [place, kind, status] = listOf(entry).map(String);
    const claim = claims[Number(place)];
    if (claim === undefined) return [];
    return [{ claim, kind: kind === "pausing" ? "pausing" : "fenced", status: status ?? "" }];
  });
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
