/**
 * Claims that Redis refuses: the script does not run, as that of an image that does not fit what another one wrote, or of a
 * user who may not call it. Nothing was changed by it, and to ask again at once is of no use; so it is bounded, and told.
 *
 * - The job comes back after a time that doubles with each refusal of its run: another worker may do better, and soon.
 * - Two runs in a row that are refused are no fault of a run: the pool rests here, for a time that doubles too.
 * - A claim that is answered, in whatever way, ends both.
 * - It is logged when it begins and when it ends, and told with each beat.
 */
import type { IdSource, ModelId, RunId } from "@baton/core";
import { ReplyError } from "ioredis";
import type { Logger } from "pino";
import type { JobVerdict } from "./run-phase.ts";

export interface ClaimRefusalsOptions {
  readonly ids: Pick<IdSource, "now">;
  readonly log: Logger;
  /** A rest began, or is over. */
  readonly onRest: () => void;
}

interface Claimant {
  readonly runId: RunId;
  readonly pool: ModelId;
}

/** Of one pool, since its last claim that was answered. */
interface Trouble {
  inARow: number;
  readonly runs: Set<RunId>;
  rests: number;
  restsUntil: number;
  timer: NodeJS.Timeout | undefined;
}

const FIRST_MS = 1_000;
const JOB_MS_MAX = 60_000;
const REST_MS_MAX = 30_000;
/** One may be an accident. */
const TOLD_FROM = 2;
/** Runs of which it is known how often they were refused. */
const RUNS_MAX = 1_000;

/** What a server says of itself and not of the command: it passes, or is told elsewhere. */
const OF_SERVER =
  /^(OOM|MISCONF|READONLY|LOADING|BUSY|MASTERDOWN|NOREPLICAS|CLUSTERDOWN|TRYAGAIN|MOVED|ASK)\b/;

export class ClaimRefusals {
  readonly #options: ClaimRefusalsOptions;
  readonly #troubles = new Map<ModelId, Trouble>();
  /** How often each run was refused, the one that was refused last at the end. */
  readonly #refused = new Map<RunId, number>();
  #isStopped = false;

  constructor(options: ClaimRefusalsOptions) {
    this.#options = options;
  }

  /** Redis ran no claim: what becomes of the job. Throws the error when it is of another kind. */
  refused({ runId, pool }: Claimant, error: unknown): JobVerdict {
    if (!isRefusal(error)) throw error;
    const times = this.#count(runId);
    const trouble = this.#troubleOf(pool);
    trouble.inARow += 1;
    if (trouble.runs.size < RUNS_MAX) trouble.runs.add(runId);
    if (trouble.inARow === 1 && times === 1) {
      const what =
        "Redis refuses to claim a run: is this worker of another version than what wrote the store, or is its user not allowed to? Bring all workers to one version; the run waits";
      this.#options.log.error({ pool, runId, err: error }, what);
    }
    if (trouble.runs.size > 1) this.#rest(pool, trouble);
    return { kind: "later", ms: doubled(times, JOB_MS_MAX) };
  }

  /** A claim was answered. */
  answered({ runId, pool }: Claimant): void {
    if (this.#refused.size > 0) this.#refused.delete(runId);
    const trouble = this.#troubles.get(pool);
    if (trouble === undefined) return;
    clearTimeout(trouble.timer);
    this.#troubles.delete(pool);
    if (trouble.inARow >= TOLD_FROM) this.#options.log.info({ pool }, "claims are answered again");
    if (trouble.rests > 0) this.#options.onRest();
  }

  isResting(pool: ModelId): boolean {
    const trouble = this.#troubles.get(pool);
    return trouble !== undefined && trouble.restsUntil > this.#options.ids.now();
  }

  /** Pools whose claims are refused, and how many in a row. */
  get byPool(): Readonly<Record<string, number>> {
    const told = [...this.#troubles].filter(([, { inARow }]) => inARow >= TOLD_FROM);
    return Object.fromEntries(told.map(([pool, { inARow }]) => [pool, inARow]));
  }

  /** Pools of which no run can be claimed here: several in a row were refused, which is no fault of one of them. */
  get unclaimable(): readonly ModelId[] {
    return [...this.#troubles].filter(([, { runs }]) => runs.size > 1).map(([pool]) => pool);
  }

  stop(): void {
    this.#isStopped = true;
    for (const { timer } of this.#troubles.values()) clearTimeout(timer);
  }

  #count(runId: RunId): number {
    const times = (this.#refused.get(runId) ?? 0) + 1;
    this.#refused.delete(runId);
    this.#refused.set(runId, times);
    const oldest = this.#refused.keys().next().value;
    if (this.#refused.size > RUNS_MAX && oldest !== undefined) this.#refused.delete(oldest);
    return times;
  }

  #troubleOf(pool: ModelId): Trouble {
    const found = this.#troubles.get(pool);
    if (found !== undefined) return found;
    const trouble: Trouble = { inARow: 0, runs: new Set(), rests: 0, restsUntil: 0, timer: undefined };
    this.#troubles.set(pool, trouble);
    return trouble;
  }

  /** Claims that were under way when it began make it no longer. */
  #rest(pool: ModelId, trouble: Trouble): void {
    if (this.#isStopped || this.isResting(pool)) return;
    trouble.rests += 1;
    const ms = doubled(trouble.rests, REST_MS_MAX);
    trouble.restsUntil = this.#options.ids.now() + ms;
    clearTimeout(trouble.timer);
    // A timer may be early by what a clock is rounded.
    trouble.timer = setTimeout(() => this.#options.onRest(), ms + 1);
    this.#options.onRest();
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof ReplyError && error instanceof Error && !OF_SERVER.test(error.message);
}

function doubled(times: number, msMax: number): number {
  return Math.min(msMax, FIRST_MS * 2 ** (times - 1));
}
