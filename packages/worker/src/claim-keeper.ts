/**
 * The claims that this process holds. One timer beats for all of them each second: it tells the ledger that the
 * worker lives, hears which claims no longer hold and aborts those, and renews the BullMQ locks of the rest, by
 * token (BullMQ's own renewal goes by job id and loses sight of a job that this process holds twice).
 */
import { shardOf } from "@baton/core";
import type { BeatReply, Claim, Ledger, WorkerBeat } from "@baton/store";
import type { LiveSettings } from "./live-settings.ts";

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
  /** The live settings that the beat keeps up to date. */
  readonly settings?: Pick<LiveSettings, "rev" | "learn">;
  readonly onError: (error: unknown) => void;
}

const BEAT_MS = 1_000;

/** Each shard is asked by itself: one that is away for a while holds up what the others say of no claim. */
interface ShardBeat {
  running: Promise<void> | undefined;
  /** Something changed while a beat was under way. */
  isHurried: boolean;
}

/** The shard that is told of the worker, and tells of the pools. */
const HOME_SHARD = 0;

export class ClaimKeeper {
  readonly #options: ClaimKeeperOptions;
  readonly #held = new Set<HeldClaim>();
  readonly #beats = new Map<number, ShardBeat>();
  /** By queue. */
  readonly #renewals = new Map<ExtendLocks, Promise<void>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ClaimKeeperOptions) {
    this.#options = options;
  }

  /** Resolves when the first beat is over. */
  async start(): Promise<void> {
    if (this.#timer !== undefined) return;
    const tick = (): void => {
      this.#renewLocks();
      for (const shard of this.#shards()) this.#beatOnce(shard);
    };
    this.#timer = setInterval(tick, BEAT_MS);
    tick();
    await this.#beatOf(HOME_SHARD).running;
  }

  /** Beats now: a run was cancelled or is to pause, or a pool is held or set. */
  hurry(): void {
    for (const shard of this.#shards()) {
      const beat = this.#beatOf(shard);
      beat.isHurried = beat.running !== undefined;
      this.#beatOnce(shard);
    }
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
    await Promise.all([...this.#beats.values()].map(({ running }) => running));
    await Promise.all(this.#renewals.values());
  }

  #shards(): ReadonlySet<number> {
    const shards = new Set([HOME_SHARD]);
    for (const { claim } of this.#held) shards.add(shardOf(claim.runId));
    return shards;
  }

  #beatOf(shard: number): ShardBeat {
    const known = this.#beats.get(shard);
    if (known !== undefined) return known;
    const beat: ShardBeat = { running: undefined, isHurried: false };
    this.#beats.set(shard, beat);
    return beat;
  }

  /** While Redis is away one beat waits for it, not one for each second. */
  #beatOnce(shard: number): void {
    const beat = this.#beatOf(shard);
    beat.running ??= this.#beat(shard, beat);
  }

  async #beat(shard: number, beat: ShardBeat): Promise<void> {
    do {
      beat.isHurried = false;
      try {
        await this.#ask(shard);
      } catch (error) {
        // Redis is away: the claims are judged again when it is back.
        this.#options.onError(error);
      }
    } while (beat.isHurried);
    beat.running = undefined;
  }

  async #ask(shard: number): Promise<void> {
    const held = [...this.#held].filter(({ claim }) => shardOf(claim.runId) === shard);
    const byClaim = new Map(held.map((one) => [one.claim, one]));
    const { ledger, describe, settings, onHolds } = this.#options;
    const reply = await ledger.beat(
      shard === HOME_SHARD ? describe() : undefined,
      held.map((one) => one.claim),
      settings?.rev,
    );
    for (const { claim, kind } of reply.lost) {
      const one = byClaim.get(claim);
      if (one === undefined || !this.#held.has(one)) continue;
      if (kind === "pausing") one.pausing = true;
      else one.abort("fenced");
    }
    if (shard !== HOME_SHARD) return;
    onHolds(reply.holds);
    if (reply.settings !== undefined) settings?.learn(reply.settings);
  }

  /**
   * Once a second, each queue by itself, whatever the beats wait for. A lost lock is no verdict on the claim, the
   * ledger's fence is; the job is picked up elsewhere and claims.
   */
  #renewLocks(): void {
    const queues = Map.groupBy(this.#held, ({ job }) => job.extend);
    for (const [extend, held] of queues) {
      if (this.#renewals.has(extend)) continue;
      this.#renewals.set(extend, this.#renew(extend, held));
    }
  }

  async #renew(extend: ExtendLocks, held: readonly HeldClaim[]): Promise<void> {
    try {
      await extend(
        held.map(({ job }) => job.jobId),
        held.map(({ job }) => job.token),
        this.#options.lockMs,
      );
    } catch (error) {
      this.#options.onError(error);
    } finally {
      this.#renewals.delete(extend);
    }
  }
}
