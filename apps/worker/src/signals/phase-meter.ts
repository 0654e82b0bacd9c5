/** The hooks of a worker, counted. */
import type { BatonError, ErrorCode, ModelReply } from "@baton/core";
import type { Claimed, Outcome } from "@baton/store";
import type { CallSignals, PhaseSignals, Signals, ToolSignals } from "@baton/worker";
import type { Meters } from "./meters.ts";

/** Milliseconds that only rise. */
export type Clock = () => number;

/** Pools that have a label of their own; the rest share one. A request may name any model. */
const POOLS_MAX = 200;

export function meterSignals(meters: Meters, clock: Clock): Signals {
  const pools = new Set<string>();
  const labelOf = (pool: string): string => {
    if (pools.has(pool)) return pool;
    if (pools.size >= POOLS_MAX) return "other";
    pools.add(pool);
    return pool;
  };
  return {
    phaseBegan: ({ claim }: Claimed) => new PhaseMeter(meters, clock, labelOf(claim.pool)),
    runEnded: ({ status, code = "" }) => meters.runsEnded.inc({ status, code }),
  };
}

class PhaseMeter implements PhaseSignals {
  readonly #meters: Meters;
  readonly #clock: Clock;
  readonly #pool: string;
  readonly #startedAt: number;
  #isOver = false;

  constructor(meters: Meters, clock: Clock, pool: string) {
    this.#meters = meters;
    this.#clock = clock;
    this.#pool = pool;
    this.#startedAt = clock();
  }

  callBegan(): CallSignals {
    return new CallMeter(this.#meters, this.#clock, this.#pool);
  }

  toolBegan(): ToolSignals {
    return new ToolMeter(this.#meters, this.#clock);
  }

  toolAnswered(outcome: "unknown" | "refused"): void {
    this.#meters.toolCalls.inc({ outcome });
  }

  retried(code: ErrorCode): void {
    this.#meters.retries.inc({ pool: this.#pool, code });
  }

  fenced(): void {
    this.#meters.fencedWrites.inc({ pool: this.#pool });
  }

  ended(why: string, outcome: Outcome | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const seconds = (this.#clock() - this.#startedAt) / 1_000;
    this.#meters.phaseSeconds.observe({ pool: this.#pool, outcome: labelOfEnd(why) }, seconds);
    if (outcome?.kind === "succeeded") this.#meters.runsEnded.inc({ status: "succeeded", code: "" });
    if (outcome?.kind === "failed") this.#meters.runsEnded.inc({ status: "failed", code: outcome.code });
  }

  [Symbol.dispose](): void {
    this.ended("broke", undefined);
  }
}

/** The flow's word, as a label. */
function labelOfEnd(why: string): string {
  return why.replaceAll(" ", "_");
}

class CallMeter implements CallSignals {
  readonly #meters: Meters;
  readonly #clock: Clock;
  readonly #pool: string;
  readonly #startedAt: number;
  #hasBegun = false;

  constructor(meters: Meters, clock: Clock, pool: string) {
    this.#meters = meters;
    this.#clock = clock;
    this.#pool = pool;
    this.#startedAt = clock();
  }

  delta(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#meters.firstTokenSeconds.observe({ pool: this.#pool }, this.#seconds());
  }

  replied({ usage }: ModelReply, costUsd: number | null): void {
    const pool = this.#pool;
    const { tokens, costUsd: cost, unpricedReplies } = this.#meters;
    this.#took("ok");
    tokens.inc({ pool, kind: "input" }, usage.inputTokens);
    tokens.inc({ pool, kind: "cached_input" }, usage.cachedInputTokens);
    tokens.inc({ pool, kind: "cache_write" }, usage.cacheWriteTokens);
    tokens.inc({ pool, kind: "output" }, usage.outputTokens);
    tokens.inc({ pool, kind: "reasoning" }, usage.reasoningTokens);
    if (costUsd === null) unpricedReplies.inc({ pool });
    else cost.inc({ pool }, costUsd);
  }

  failed({ code }: BatonError): void {
    this.#took("failed");
    this.#meters.callFailures.inc({ pool: this.#pool, code });
  }

  lost(): void {
    this.#took("aborted");
  }

  #took(outcome: string): void {
    this.#meters.callSeconds.observe({ pool: this.#pool, outcome }, this.#seconds());
  }

  #seconds(): number {
    return (this.#clock() - this.#startedAt) / 1_000;
  }
}

class ToolMeter implements ToolSignals {
  readonly #meters: Meters;
  readonly #clock: Clock;
  readonly #startedAt: number;

  constructor(meters: Meters, clock: Clock) {
    this.#meters = meters;
    this.#clock = clock;
    this.#startedAt = clock();
  }

  ended(isError: boolean): void {
    this.#count(isError ? "error" : "ok");
  }

  lost(): void {
    this.#count("aborted");
  }

  #count(outcome: string): void {
    this.#meters.toolCalls.inc({ outcome });
    this.#meters.toolSeconds.observe({ outcome }, (this.#clock() - this.#startedAt) / 1_000);
  }
}
