/**
 * Room for runs of a namespace whose live runs are bounded: asked for before runs are made or woken, and left when they are,
 * so that the bound holds exactly for all API processes together; `space-room.ts` of the store tells how.
 *
 * - Whether there is room is not known while somebody asked before and has not made its runs yet. Then one waits for it, for
 *   a few seconds: nobody is refused for runs that are counted twice.
 * - In a process the single runs of a namespace ask one after another: those who ask are no more than processes and batches,
 *   however many requests come. Each of them reads who else does.
 * - What is held for longer, by a batch, is kept and shrinks as its runs are made.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { BatonError } from "@baton/core";
import { type HeldRoom, type Late, type Ledger, NO_ROOM } from "@baton/store";
import type { Turns } from "./turns.ts";

export type RoomLedger = Pick<Ledger, "countLive" | "askRoom" | "keepRoom" | "leaveRoom">;

/** What a namespace may have. */
export interface RoomBound {
  readonly namespace: string;
  readonly maxLive: number;
}

/** How many runs have not ended, of a namespace that has no room. */
export interface Full {
  readonly kind: "full";
  readonly live: number;
}

export interface Room {
  readonly kind: "room";
  /** By Redis' clock. */
  readonly until: number;
  /** Holds it for `runs` of them from now on; undefined when it was given to others meanwhile. */
  keep(runs: number): Promise<Room | undefined>;
  leave(): Promise<void>;
}

/** Single runs wait longer: a batch that is not let in at last does not take them along. */
const WAIT_MS_MAX = { batch: 2_000, one: 5_000 };
const LOOK_MS = { first: 5, most: 200 };
/** A run for which room was found, and which came too late for it, looks anew. */
export const TRIES = 3;

/** Waits until it is known whether there is room. */
export async function findRoom(
  ledger: RoomLedger,
  { namespace, maxLive }: RoomBound,
  runs: number,
  deadline = performance.now() + WAIT_MS_MAX.batch,
): Promise<Room | Full> {
  const ask = { namespace, holder: randomBytes(12).toString("base64url"), runs };
  let held = await ledger.askRoom(ask);
  for (let pauseMs = LOOK_MS.first; ; pauseMs = Math.min(2 * pauseMs, LOOK_MS.most)) {
    // Behind the asking: who asked before is in one of the two numbers, and maybe in both.
    const live = await ledger.countLive(namespace);
    if (live + held.before + runs <= maxLive) return roomOf(ledger, ask, held);
    if (live + runs > maxLive || performance.now() >= deadline) {
      await ledger.leaveRoom(ask);
      return { kind: "full", live };
    }
    await delay(pauseMs);
    held = (await ledger.keepRoom(ask)) ?? (await ledger.askRoom(ask));
  }
}

function roomOf(ledger: RoomLedger, ask: Parameters<RoomLedger["askRoom"]>[0], { until }: HeldRoom): Room {
  return {
    kind: "room",
    until,
    async keep(runs) {
      const held = await ledger.keepRoom({ ...ask, runs });
      return held && roomOf(ledger, ask, held);
    },
    leave: () => ledger.leaveRoom(ask),
  };
}

/** Makes or wakes one run: in its turn, when there is room. `full` when there is none; then nothing was done. */
export async function actInRoom<Reply extends { readonly kind: string }>(
  ledger: RoomLedger,
  bound: RoomBound,
  turns: Turns,
  act: Act<Reply>,
): Promise<{ readonly kind: "done"; readonly reply: Reply } | Full> {
  // From its arrival on: those who wait behind one for whom there is no room would wait for as long each.
  const deadline = performance.now() + WAIT_MS_MAX.one;
  for (let tries = 0; tries < TRIES; tries += 1) {
    const outcome = await turns.take(bound.namespace, async () => {
      const room = await findRoom(ledger, bound, 1, deadline);
      if (room.kind === "full") return room;
      // When this fails, the run may be made all the same: then the room is its own until the lease is over.
      const reply = await act(room.until);
      // Redis hears it before it hears the next one ask, who need not wait for the answer.
      return { kind: "done", reply, left: room.leave() } as const;
    });
    if (outcome.kind === "full") return outcome;
    await outcome.left;
    if (!isLate(outcome.reply)) return { kind: "done", reply: outcome.reply };
  }
  throw stoodStill();
}

/** Makes or wakes a run, if it does before that time. */
export type Act<Reply> = (until: number) => Promise<Reply | Late>;

/** What is there already, which needs no room; undefined for what would be new. */
export async function findThere<Reply extends { readonly kind: string }>(
  act: Act<Reply>,
): Promise<Reply | undefined> {
  const reply = await act(NO_ROOM);
  return isLate(reply) ? undefined : reply;
}

export function isLate(reply: { readonly kind: string }): reply is Late {
  return reply.kind === "late";
}

export function stoodStill(): BatonError {
  return new BatonError(
    "redis_unreachable",
    "Redis or this API stood still for longer than room for runs is kept: send the same again",
  );
}
