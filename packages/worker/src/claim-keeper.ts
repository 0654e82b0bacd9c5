/**
 * The claims that this process holds. One timer beats for all of them each second: it tells the ledger that the
 * worker lives, hears which claims no longer hold and aborts those, and renews the BullMQ locks of the rest, by
 * token (BullMQ's own renewal goes by job id and loses sight of a job that this process holds twice).
 */
import type { BeatReply, Claim, Ledger, WorkerBeat } from "@baton/store";

/** Why the work under a claim was aborted. */
export type AbortCause = "fenced" | "hand_back" | "timeout";

const SENTENCES: Readonly<Record<AbortCause, string>> = {
  fenced: "the claim no longer holds",
  hand_back: "the worker is stopping",
  timeout: "the phase used its time up",
};

export class ClaimAborted extends Error {
  override readonly name = "ClaimAborted";
  readonly why: AbortCause;
  constructor(cause: AbortCause) {
    super(SENTENCES[cause]);
    this.why = cause;
  }
}

/** Extends a job's lock; replies the ids whose lock was lost. */
export type ExtendLocks = (
  jobIds: string[],
  tokens: string[],
  durationMs: number,
) => Promise<readonly string[]>;

export interface HeldJob {
  readonly jobId: string;
  readonly token: string;
  readonly extend: ExtendLocks;
}

export class HeldClaim {
  readonly claim: Claim;
  readonly job: HeldJob;
  readonly #abort = new AbortController();
  readonly #release: () => void;
  pausing = false;

  constructor(claim: Claim, job: HeldJob, release: () => void) {
    this.claim = claim;
    this.job = job;
    this.#release = release;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  abort(cause: AbortCause): void {
    this.#abort.abort(new ClaimAborted(cause));
  }

  /** Why the work was aborted, if it was. */
  get aborted(): AbortCause | undefined {
    const reason: unknown = this.#abort.signal.reason;
    return reason instanceof ClaimAborted ? reason.why : undefined;
  }

  [Symbol.dispose](): void {
    this.#release();
  }
}

export interface ClaimKeeperOptions {
  readonly ledger: Pick<Ledger, "beat">;
  readonly describe: () => WorkerBeat;
  readonly lockMs: number;
  /** Hears at each beat which pools are held, and for how many milliseconds. */
  readonly onHolds: (holds: BeatReply["holds"]) => void;
  readonly onError: (error: unknown) => void;
}

const BEAT_MS = 1_000;

export class ClaimKeeper {
  readonly #options: ClaimKeeperOptions;
  readonly #held = new Set<HeldClaim>();
  #timer: NodeJS.Timeout | undefined;
  #beating: Promise<void> = Promise.resolve();
  #isBeating = false;
  /** Something changed while a beat was under way. */
  #isHurried = false;
  /** Locks are renewed once a second, however often it beats. */
  #isRenewalDue = false;

  constructor(options: ClaimKeeperOptions) {
    this.#options = options;
  }

  /** Resolves when the first beat is over. */
  async start(): Promise<void> {
    if (this.#timer !== undefined) return;
    const tick = (): void => {
      this.#isRenewalDue = true;
      this.#beatOnce();
    };
    this.#timer = setInterval(tick, BEAT_MS);
    tick();
    await this.#beating;
  }

  /** Beats now: a run was cancelled or is to pause, or a pool is held. */
  hurry(): void {
    this.#isHurried = this.#isBeating;
    this.#beatOnce();
  }

  hold(claim: Claim, job: HeldJob): HeldClaim {
    const held = new HeldClaim(claim, job, () => this.#held.delete(held));
    this.#held.add(held);
    return held;
  }

  get size(): number {
    return this.#held.size;
  }

  /** Aborts all work: what it was doing is handed back to the queue. */
  handBack(): void {
    for (const held of this.#held) held.abort("hand_back");
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#beating;
  }

  /** While Redis is away one beat waits for it, not one for each second. */
  #beatOnce(): void {
    if (!this.#isBeating) this.#beating = this.#beat();
  }

  async #beat(): Promise<void> {
    this.#isBeating = true;
    try {
      const held = [...this.#held];
      const byClaim = new Map(held.map((one) => [one.claim, one]));
      const [{ lost, holds }] = await Promise.all([
        this.#options.ledger.beat(
          this.#options.describe(),
          held.map((one) => one.claim),
        ),
        this.#isRenewalDue ? this.#renewLocks(held) : undefined,
      ]);
      for (const { claim, kind } of lost) {
        const one = byClaim.get(claim);
        if (one === undefined || !this.#held.has(one)) continue;
        if (kind === "pausing") one.pausing = true;
        else one.abort("fenced");
      }
      this.#options.onHolds(holds);
    } catch (error) {
      // Redis is away: the claims are judged again when it is back.
      this.#options.onError(error);
    } finally {
      this.#isBeating = false;
    }
    if (!this.#isHurried) return;
    this.#isHurried = false;
    await this.#beat();
  }

  /** A lost lock is no verdict on the claim, the ledger's fence is; the job is picked up elsewhere and claims. */
  async #renewLocks(held: readonly HeldClaim[]): Promise<void> {
    this.#isRenewalDue = false;
    const groups = new Map<ExtendLocks, HeldJob[]>();
    for (const { job } of held) {
      const group = groups.get(job.extend) ?? [];
      group.push(job);
      groups.set(job.extend, group);
    }
    await Promise.all(
      [...groups].map(([extend, jobs]) =>
        extend(
          jobs.map((job) => job.jobId),
          jobs.map((job) => job.token),
          this.#options.lockMs,
        ),
      ),
    );
  }
}
