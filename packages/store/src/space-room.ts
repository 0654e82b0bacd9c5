/**
 * Room that is set aside in a namespace for runs that are about to be made or woken, so that a bound of its live runs holds
 * exactly, whoever makes runs at the same moment, in whatever process and shard:
 *
 * 1. Who wants to make runs asks (`askRoom`), and is told how many were asked for before and are not made yet.
 * 2. Only then it counts the live runs (`countLive`). When those, the ones before it and its own are within the bound, it
 *    makes them: whoever asked before it is in one of the two numbers, and whoever asks later counts it.
 * 3. When they are made, it leaves (`leaveRoom`), or keeps what is left (`keepRoom`).
 *
 * Room is held for a lease. `create` and `retry` are told the time until which it may be used and are `late` from then on: so
 * a process that stood still does not use room that was given to others. That time is Redis' own; on a cluster two servers
 * may disagree about it by the margin that lies between it and the end of the lease.
 */
import { BatonError } from "@baton/core";
import { countGroups } from "./count-groups.ts";
import type { RunScript } from "./scripts.ts";
import { onShards } from "./shards.ts";
import { checkNamespace, spaceRoomKey, spaceRunsKey } from "./spaces.ts";

/** After it, what a process that was killed had set aside is free again. */
export const ROOM_LEASE_MS = 15_000;
const MARGIN_MS = 5_000;

export interface AskRoom {
  readonly namespace: string;
  /** Nobody else's: a long random text. */
  readonly holder: string;
  readonly runs: number;
}

export interface HeldRoom {
  /** Runs of those who asked before, which are not made yet. */
  readonly before: number;
  /** Milliseconds since 1970, by Redis' clock. */
  readonly until: number;
}

/** What came when the room that it needed was not its own any more; nothing was written. */
export interface Late {
  readonly kind: "late";
}

/** In the past of every clock: what needs no room is done, and what does is `late`. */
export const NO_ROOM = 1;

export async function askRoom(run: RunScript, { namespace, holder, runs }: AskRoom): Promise<HeldRoom> {
  const held = await call(run, namespace, [holder, "ask", String(runs)]);
  if (held === undefined) throw new BatonError("store_corrupt", "room was asked for, and nothing was said");
  return held;
}

/** Goes on holding room, for `runs` and no more; undefined when the lease was over. */
export function keepRoom(
  run: RunScript,
  { namespace, holder, runs }: AskRoom,
): Promise<HeldRoom | undefined> {
  return call(run, namespace, [holder, "keep", String(runs)]);
}

export async function leaveRoom(run: RunScript, { namespace, holder }: Omit<AskRoom, "runs">): Promise<void> {
  await call(run, namespace, [holder, "leave", "0"]);
}

/** Runs of the namespace that have not ended: those that are queued, running or waiting. */
export async function countLive(run: RunScript, shards: number, namespace: string): Promise<number> {
  checkNamespace(namespace);
  const counts = await onShards(shards, (shard) =>
    countGroups(run, spaceRunsKey(shard, namespace), ["live", "waiting"]),
  );
  return counts.flat().reduce((sum, count) => sum + count, 0);
}

async function call(
  run: RunScript,
  namespace: string,
  what: readonly string[],
): Promise<HeldRoom | undefined> {
  checkNamespace(namespace);
  const reply = await run(
    "room",
    [spaceRoomKey(namespace)],
    [...what, String(ROOM_LEASE_MS), String(MARGIN_MS)],
  );
  const [said, before, until] = reply;
  return said === "held" ? { before: Number(before), until: Number(until) } : undefined;
}
