/** Commands as they are drawn at random, relative to what the run is when it is their turn. */
import { type Item, isTerminal, type ModelId, newClaimId } from "@baton/core";
import type { Claim } from "../claim-run.ts";
import { admissionKeys, runKeys } from "../keys.ts";
import type { Ledger } from "../ledger.ts";
import type { Outcome } from "../write-claim.ts";
import { ALPHA, BETA, itemAt, systemIds, timePasses } from "./make-run.ts";
import { heldClaimId, type ModelCommand, type ModelRun } from "./run-model.ts";

/** A command as it is generated: relative to what the run is when it is its turn. */
export type Draw =
  | { kind: "feed"; pool: ModelId; room: boolean }
  | { kind: "claim"; ticket: number; pool: "own" | "other"; again: boolean }
  | { kind: "append"; fence: Fence; offset: number; count: number; same: boolean; turn: boolean }
  | { kind: "commit"; fence: Fence; offset: number; count: number; turn: boolean; outcome: Outcome }
  | { kind: "requeue"; stale: "no" | "epoch" | "claim" }
  | { kind: "cancel" | "pause" | "expire" | "deadline_passes" | "time_comes" }
  | { kind: "resume"; answer: boolean; offset: number }
  | { kind: "retry"; stale: boolean; offset: number; pool: "same" | "own" | "other"; timeout: boolean };
export type Feed = Extract<Draw, { kind: "feed" }>;
export type Fence = "held" | "older" | "epoch" | "id";

let fresh = 0;
function freshItems(from: number, count: number): Item[] {
  return Array.from({ length: Math.max(0, count) }, (_, index) => {
    fresh += 1;
    return itemAt(from + index, `fresh ${fresh}`);
  });
}

/** The command that was drawn, for the run as it is; `undefined` when it is only the clock that moves. */
export async function resolve(
  ledger: Ledger,
  run: ModelRun,
  drawn: Exclude<Draw, Feed>,
  claims: readonly Claim[],
): Promise<ModelCommand | undefined> {
  const { state } = run;
  switch (drawn.kind) {
    case "claim": {
      const other = state.pool === ALPHA ? BETA : ALPHA;
      const claimId = drawn.again && run.claim !== undefined ? run.claim.claimId : newClaimId(systemIds);
      const pool = drawn.pool === "own" ? state.pool : other;
      return { kind: "claim", claim: { runId: run.id, ticket: state.ticket + drawn.ticket, pool, claimId } };
    }
    case "append": {
      const length = Math.max(0, run.log.length + drawn.offset);
      const there = run.log.slice(length, length + drawn.count).map((text): Item => JSON.parse(text));
      const same = drawn.same ? there : [];
      const items = [...same, ...freshItems(length + same.length, drawn.count - same.length)];
      return { kind: "append", claim: fenceOf(run, drawn.fence, claims), length, items, turn: drawn.turn };
    }
    case "commit": {
      const length = Math.max(0, run.log.length + drawn.offset);
      const items = freshItems(length, drawn.count);
      return {
        kind: "commit",
        claim: fenceOf(run, drawn.fence, claims),
        length,
        items,
        turn: drawn.turn,
        outcome: drawn.outcome,
      };
    }
    case "requeue": {
      const status = state.status === "running" ? "running" : "queued";
      const epoch = state.epoch - (drawn.stale === "epoch" ? 1 : 0);
      const claimId = drawn.stale === "claim" ? newClaimId(systemIds) : heldClaimId(run);
      return { kind: "requeue", status, ticket: state.ticket, epoch, claimId };
    }
    case "resume": {
      const length = run.log.length + drawn.offset;
      return drawn.answer
        ? { kind: "resume", answer: { length, items: freshItems(length, 1) } }
        : { kind: "resume" };
    }
    case "retry": {
      const length = run.log.length + drawn.offset;
      const other = state.pool === ALPHA ? BETA : ALPHA;
      const pool = { same: undefined, own: state.pool, other }[drawn.pool];
      const epoch = state.epoch - (drawn.stale ? 1 : 0);
      return { kind: "retry", epoch, length, items: freshItems(length, 1), pool, timeout: drawn.timeout };
    }
    case "deadline_passes":
      if (run.deadline !== "ahead" || isTerminal(state.status)) return undefined;
      run.deadline = "passed";
      await timePasses(ledger.redis, run.id, "deadline");
      return undefined;
    case "time_comes":
      if (state.status !== "queued" || state.notBefore === undefined) return undefined;
      run.state = { ...state, notBefore: undefined };
      await ledger.redis.hset(runKeys(run.id).run, "not_before", "");
      if (state.ticket === 0) await ledger.redis.zadd(admissionKeys(0).later, 1, run.id);
      return undefined;
    default:
      return { kind: drawn.kind };
  }
}

function fenceOf(run: ModelRun, fence: Fence, claims: readonly Claim[]): Claim {
  const claimId = newClaimId(systemIds);
  const { ticket, epoch, pool } = run.state;
  const held = run.claim ?? { runId: run.id, ticket, epoch, pool, claimId };
  switch (fence) {
    case "held":
      return held;
    case "older":
      return (
        claims.findLast((claim) => claim.runId === run.id && claim.epoch < held.epoch) ?? { ...held, claimId }
      );
    case "epoch":
      return { ...held, epoch: held.epoch - 1 };
    case "id":
      return { ...held, claimId };
  }
}
