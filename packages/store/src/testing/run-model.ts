/**
 * What a run in the ledger must be after any sequence of commands, told without Redis: core's `transition` moves
 * the status, ticket, epoch and pool, and what the ledger adds to it (log, phases, counters) is kept beside.
 * `step` answers in the words of the ledger's replies; a test holds the two against each other.
 */
import {
  type Item,
  isLive,
  isTerminal,
  type ModelId,
  type RunId,
  type RunState,
  type RunTransition,
  transition,
} from "@baton/core";
import type { Claim } from "../claim-run.ts";
import type { Outcome } from "../write-claim.ts";

export const TAKEOVERS_MAX = 1;

export interface ModelPhase {
  readonly seq: number;
  readonly model: ModelId;
  readonly status: string;
  readonly attempts: number;
  readonly turns: number;
}

export interface ModelRun {
  readonly id: RunId;
  state: RunState;
  /** The claim in the record; stays when the run is not running, but does not hold then. */
  claim: Claim | undefined;
  log: string[];
  phases: ModelPhase[];
  phase: number;
  attempts: number;
  turns: number;
  totalTurns: number;
  handoffs: number;
  takeovers: number;
  crashes: number;
  deadline: "none" | "ahead" | "passed";
  errorCode: string | undefined;
  readonly batch: string | undefined;
  readonly namespace: string | undefined;
  /** It was admitted to a queue, and has not begun. */
  fed: boolean;
  /** The pools in which it began without having been admitted: more than one, if a retry took it to another model. */
  begunIn: ModelId[];
  /** `<ticket>/<claim>` of the last commit. */
  committed: string | undefined;
}

/** A command with all that it carries. */
export type ModelCommand =
  | { readonly kind: "claim"; readonly claim: Omit<Claim, "epoch"> }
  | {
      readonly kind: "append";
      readonly claim: Claim;
      readonly length: number;
      readonly items: readonly Item[];
      readonly turn: boolean;
    }
  | {
      readonly kind: "commit";
      readonly claim: Claim;
      readonly length: number;
      readonly items: readonly Item[];
      readonly turn: boolean;
      readonly outcome: Outcome;
    }
  | {
      readonly kind: "requeue";
      readonly ticket: number;
      readonly epoch: number;
      readonly claimId: string;
      readonly status: "queued" | "running";
    }
  | { readonly kind: "cancel" }
  | { readonly kind: "pause" }
  | {
      readonly kind: "resume";
      readonly answer?: { readonly length: number; readonly items: readonly Item[] };
    }
  | {
      readonly kind: "retry";
      readonly epoch: number;
      readonly length: number;
      readonly items: readonly Item[];
      readonly pool: ModelId | undefined;
      readonly timeout: boolean;
    }
  | { readonly kind: "expire" };

/** Does the command to the model, and answers as the ledger must. */
export function step(run: ModelRun, command: ModelCommand): string {
  const { state } = run;
  switch (command.kind) {
    case "claim":
      return stepClaim(run, command.claim);
    case "append":
      return stepAppend(run, command);
    case "commit":
      return stepCommit(run, command);
    case "requeue": {
      const isAsSeen =
        state.status === command.status &&
        state.ticket === command.ticket &&
        state.epoch === command.epoch &&
        heldClaimId(run) === command.claimId;
      if (!isAsSeen || state.ticket === 0) return `refused ${state.status}`;
      const notBefore = state.status === "queued" ? state.notBefore : undefined;
      move(run, { kind: "requeue", ...(notBefore === undefined ? {} : { notBefore }) });
      return run.state.status === "waiting" ? "refused waiting" : `done ${entryOf(run)}`;
    }
    case "cancel":
      return allowed(run, { kind: "cancel" })
        ? end(run, { kind: "cancel" }, "done")
        : `refused ${state.status}`;
    case "pause":
      if (!allowed(run, { kind: "pause" })) return `refused ${state.status}`;
      move(run, { kind: "pause" });
      return "done";
    case "resume":
      return stepResume(run, command.answer);
    case "retry":
      return stepRetry(run, command);
    case "expire":
      if (run.deadline === "none" || isTerminal(state.status)) return "refused terminal";
      return run.deadline === "ahead" ? "refused early" : fail(run, "deadline", "done");
  }
}

/** Admits the runs that may be to the queue of a pool, and tells which. */
export function stepFeed(runs: readonly ModelRun[], pool: ModelId): readonly RunId[] {
  return runs.flatMap((run) => {
    const { state } = run;
    const isDue = state.status === "queued" && state.notBefore === undefined;
    if (!isDue || state.pool !== pool || !allowed(run, { kind: "admit" })) return [];
    move(run, { kind: "admit" });
    run.fed = true;
    return [run.id];
  });
}

/** Whether the claim is the one that the run is under. */
function holds(run: ModelRun, claim: Claim): boolean {
  return (
    run.state.status === "running" &&
    run.state.epoch === claim.epoch &&
    run.claim?.claimId === claim.claimId &&
    run.state.ticket === claim.ticket
  );
}

/** The claim id in the record: none unless the run is running. */
export function heldClaimId(run: ModelRun): string {
  return run.state.status === "running" ? (run.claim?.claimId ?? "") : "";
}

function stepClaim(run: ModelRun, claim: Omit<Claim, "epoch">): string {
  const { state } = run;
  if (state.status !== "queued" && state.status !== "running") return `finished ${state.status}`;
  if (claim.ticket < state.ticket || claim.ticket === 0) return "finished behind";
  if (claim.ticket > state.ticket) return "ahead";
  if (claim.pool !== state.pool) return "finished misplaced";
  if (heldClaimId(run) === claim.claimId) return `claimed ${state.epoch} ${run.log.length} own`;
  if (run.deadline === "passed") return fail(run, "deadline", "finished deadline");
  if (state.status === "queued" && state.notBefore !== undefined) return "early";
  const takeover = state.status === "running";
  if (state.status === "running" && !state.pausing && run.crashes + 1 > TAKEOVERS_MAX) {
    return fail(run, "poison", "finished poison");
  }
  move(run, { kind: "claim" });
  if (run.state.status === "waiting") return "finished paused";
  if (takeover) {
    run.crashes += 1;
    run.takeovers += 1;
  }
  if (run.attempts === 0 && run.handoffs === 0) {
    if (!run.fed) run.begunIn.push(state.pool);
    run.fed = false;
  }
  run.attempts += 1;
  run.claim = { ...claim, epoch: run.state.epoch };
  return `claimed ${run.state.epoch} ${run.log.length} ${takeover ? "takeover" : "own"}`;
}

function stepAppend(run: ModelRun, append: Extract<ModelCommand, { kind: "append" }>): string {
  const { state } = run;
  if (!holds(run, append.claim)) return `fenced ${state.status}`;
  const pausing = state.status === "running" && state.pausing;
  const items = append.items.map((item) => JSON.stringify(item));
  const reply = `${append.length + items.length} ${pausing}`;
  if (append.length === run.log.length) {
    run.log.push(...items);
    run.crashes = 0;
    if (append.turn) countTurn(run);
    return `appended ${reply}`;
  }
  const there = run.log.slice(append.length, append.length + items.length);
  const isThere = there.length === items.length && there.every((text, index) => text === items[index]);
  return isThere ? `duplicate ${reply}` : "fenced diverged";
}

function stepCommit(run: ModelRun, commit: Extract<ModelCommand, { kind: "commit" }>): string {
  const { claim, outcome } = commit;
  const mark = `${claim.ticket}/${claim.claimId}`;
  const told = () => `${run.state.status}${run.state.status === "queued" ? ` ${entryOf(run)}` : ""}`;
  if (run.committed === mark) return `duplicate ${told()}`;
  if (!holds(run, claim)) return `fenced ${run.state.status}`;
  if (commit.length !== run.log.length) return "fenced diverged";
  run.committed = mark;
  run.log.push(...commit.items.map((item) => JSON.stringify(item)));
  if (commit.items.length > 0) run.crashes = 0;
  if (commit.turn) countTurn(run);
  switch (outcome.kind) {
    case "succeeded":
      return end(run, { kind: "succeed" }, "committed succeeded");
    case "failed":
      return fail(run, outcome.code, "committed failed");
    case "wait":
      move(run, { kind: "wait", reason: outcome.reason });
      break;
    case "requeue":
      move(run, { kind: "requeue", ...(outcome.delayMs > 0 ? { notBefore: outcome.delayMs } : {}) });
      break;
    case "handoff":
      closePhase(run, "succeeded");
      move(run, { kind: "handoff", pool: outcome.pool });
      openPhase(run);
      run.handoffs += 1;
      run.crashes = 0;
  }
  return `committed ${told()}`;
}

function countTurn(run: ModelRun): void {
  run.turns += 1;
  run.totalTurns += 1;
}

function stepResume(run: ModelRun, answer: Extract<ModelCommand, { kind: "resume" }>["answer"]): string {
  const { status } = run.state;
  if (!allowed(run, { kind: "resume" }) || (answer !== undefined && status !== "waiting")) {
    return `refused ${status}`;
  }
  if (answer !== undefined) {
    if (answer.length !== run.log.length) return "refused moved";
    run.log.push(...answer.items.map((item) => JSON.stringify(item)));
    run.crashes = 0;
  }
  move(run, { kind: "resume" });
  return status === "running" ? "done" : `done ${entryOf(run)}`;
}

function stepRetry(run: ModelRun, retry: Extract<ModelCommand, { kind: "retry" }>): string {
  const { state } = run;
  const to = { kind: "retry" as const, ...(retry.pool === undefined ? {} : { pool: retry.pool }) };
  if (!allowed(run, to)) return `refused ${state.status}`;
  if (retry.epoch !== state.epoch || retry.length !== run.log.length) return "refused moved";
  move(run, to);
  // The phase that was ended is opened again; with another model it stays closed and a new one begins.
  if (run.state.pool === state.pool) run.phases.pop();
  else openPhase(run);
  run.log.push(...retry.items.map((item) => JSON.stringify(item)));
  run.deadline = retry.timeout ? "ahead" : "none";
  run.errorCode = undefined;
  run.crashes = 0;
  return `done ${entryOf(run)}`;
}

function allowed(run: ModelRun, event: RunTransition): boolean {
  return transition(run.state, event).kind === "moved";
}

function move(run: ModelRun, event: RunTransition): void {
  const result = transition(run.state, event);
  if (result.kind === "refused") throw new Error(`the ledger allows what core does not: ${result.why}`);
  run.state = result.state;
  if (!isLive(run.state.status)) run.fed = false;
}

function end(run: ModelRun, event: RunTransition, reply: string): string {
  move(run, event);
  closePhase(run, run.state.status);
  return reply;
}

function fail(run: ModelRun, code: string, reply: string): string {
  run.errorCode = code;
  return end(run, { kind: "fail" }, reply);
}

/** Called before the pool changes, or when it does not. */
function closePhase(run: ModelRun, status: string): void {
  const { phase, attempts, turns } = run;
  run.phases.push({ seq: phase, model: run.state.pool, status, attempts, turns });
}

function openPhase(run: ModelRun): void {
  run.phase += 1;
  run.attempts = 0;
  run.turns = 0;
}

function entryOf(run: ModelRun): string {
  return `${run.state.ticket} ${run.state.pool}`;
}
