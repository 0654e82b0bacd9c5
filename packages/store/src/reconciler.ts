/**
 * The reconciler keeps R4: every run that is queued or running has a live queue entry. It runs in every process of
 * workers and works in one, the leader (leader.ts); to follow costs one small call a turn.
 *
 * A pass, in this order:
 *   1. runs past their deadline fail;
 *   2. runs whose entry looked missing are looked at again, and queued again if it still is (entry-suspects.ts);
 *   3. entries that have just become a second old are looked at once: commits whose job was lost show here first;
 *   4. what the ledger says that pools have is compared with what their queues hold (backlog-watch.ts): a deficit on
 *      two passes starts a round through all live runs at once; without one, a round goes on slowly (entry-round.ts),
 *      and finds what stale jobs hide from the counts;
 *   5. runs past their retention leave the indexes (due-runs.ts);
 *   6. the indexes are held against the records, a little at a time (index-audit.ts).
 *
 * When all is well, the cost of a pass hardly grows with the number of runs: what does grow is spread over minutes. All
 * that changes a run compares first, so two leaders for a moment are harmless. One step that fails, or one record that
 * cannot be read, keeps no other from its turn.
 */
import type { IdSource, ModelId, RunId } from "@baton/core";
import { BacklogWatch } from "./backlog-watch.ts";
import { failOverdue, forgetExpired } from "./due-runs.ts";
import { type BacklogCount, EntryRound } from "./entry-round.ts";
import { EntrySuspects } from "./entry-suspects.ts";
import { glanceRuns } from "./glance-runs.ts";
import { type Healed, writePass } from "./heal-log.ts";
import { IndexAudit } from "./index-audit.ts";
import { shardKeys } from "./keys.ts";
import { Leader } from "./leader.ts";
import type { Ledger } from "./ledger.ts";
import type { PoolQueues } from "./pool-queues.ts";
import { defineScripts, type RunScript } from "./scripts.ts";
import { runIdIn } from "./shards.ts";

export interface ReconcilerOptions {
  readonly ledger: Ledger;
  readonly queues: PoolQueues;
  readonly ids: IdSource;
  /** The shard that it reconciles; absent: the first. */
  readonly shard?: number;
  /** Who would lead: an id that no other process has, and where it runs. */
  readonly identity: { readonly id: string; readonly host: string };
  /** Duration of BullMQ's lock, in milliseconds: how long a running run may look lost while it is not. */
  readonly lockMs: number;
  /** How long a commit's job may be on its way, in milliseconds. */
  readonly addGraceMs?: number;
  readonly onHealed?: (healed: Healed) => void;
}

export interface PassReport {
  readonly healed: readonly Healed[];
  /** Runs whose retention has passed, and that left the indexes. */
  readonly forgotten: number;
}

const ADD_GRACE_MS = 1_000;
/** The age at which an entry is looked at once, and how far back a new leader looks. */
const YOUNG_MS = 1_000;
const YOUNG_MS_MAX = 30_000;
const YOUNG_A_PASS_MAX = 1_000;
/** Between two rounds, and for each live run: so that a round takes the same small share of a core at any size. */
const ROUND_PAUSE_MS = 60_000;
const ROUND_PAUSE_A_RUN_MS = 0.6;
/** With so few live runs every round is exact; with more, every tenth is, and each that a deficit asked for. */
const ALWAYS_EXACT_MAX = 2_000;
const EXACT_EVERY = 10;
/** Runs and job ids of a step. An exact round goes slower, because it costs more. */
const QUICK_STEP = 10_000;
const EXACT_STEP = 500;
const URGENT_STEP = 20_000;
const CORRUPT_TOLD_MAX = 1_000;

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #shard: number;
  readonly #run: RunScript;
  readonly #leader: Leader;
  readonly #suspects: EntrySuspects;
  readonly #watch: BacklogWatch;
  readonly #audit: IndexAudit;
  /** The round that is under way; `missed` counts the runs that it found without a job. */
  #round: { readonly steps: EntryRound; readonly urgent: boolean; missed: number } | undefined;
  #nextRoundAt = 0;
  #rounds = 1;
  /** By how much a count is wrong, and the walk along the records that must end well before it is corrected. */
  #wrongCounts = new Map<ModelId, { readonly difference: number; readonly walk: number }>();
  #lookedUntil = 0;
  #lastPassAt = 0;
  /** Corrupt records are told once. */
  readonly #told = new Set<RunId>();

  constructor(options: ReconcilerOptions) {
    const { ledger, queues, ids, lockMs, addGraceMs = ADD_GRACE_MS, shard = 0 } = options;
    this.#options = options;
    this.#shard = shard;
    this.#run = defineScripts(ledger.redis);
    this.#leader = new Leader(this.#run, options.identity.id, shard);
    this.#suspects = new EntrySuspects({ ledger, queues, run: this.#run, ids, lockMs, addGraceMs });
    this.#watch = new BacklogWatch(ledger.redis, queues, shard);
    this.#audit = new IndexAudit(ledger.redis, this.#run, shard);
  }

  /** Whether this process led at its last turn, however the pass went. */
  get leads(): boolean {
    return this.#leader.leads;
  }

  /** A pass, if this process leads; called about once a second. */
  async turn(): Promise<PassReport | undefined> {
    const { leads, now } = await this.#leader.hold();
    if (leads) return this.pass(now);
    // What was seen before another one led is old.
    this.#forgetAll();
    return undefined;
  }

  /** Gives the lead back. */
  async release(): Promise<void> {
    await this.#leader.release();
  }

  /** One pass at `now`, Redis' time in milliseconds. Throws when a step did, after all of them had their turn. */
  async pass(now: number): Promise<PassReport> {
    const { ledger, identity, ids, onHealed } = this.#options;
    const startedAt = ids.now();
    // Redis' clock was set back, or another Redis took over: ages that were measured by it mean nothing now.
    if (now < this.#lastPassAt) this.#forgetAll();
    this.#lastPassAt = now;
    const found: Healed[] = [];
    const errors: unknown[] = [];
    let forgotten = 0;
    const own = { ledger, run: this.#run, shard: this.#shard };
    const steps: (() => Promise<readonly Healed[]>)[] = [
      () => failOverdue({ ...own, audit: this.#audit, inTheWay: this.#told.size }, now),
      () => this.#suspects.lookAgain(now),
      () => this.#lookAtYoung(now),
      () => this.#lookAtAll(now),
      async () => {
        forgotten = await forgetExpired(own, now);
        return [];
      },
      () => this.#audit.step(now),
    ];
    for (const step of steps) {
      try {
        found.push(...(await step()));
      } catch (error) {
        errors.push(error);
      }
    }
    const healed = found.filter((one) => this.#isNews(one));
    for (const one of healed) onHealed?.(one);
    // A Redis that is full refuses it: what was healed is told here in any case.
    const note = { ...identity, at: now, ms: ids.now() - startedAt };
    await writePass(ledger.redis, note, healed, this.#shard).catch((error: unknown) => errors.push(error));
    if (errors.length > 0) throw new AggregateError(errors, `${errors.length} steps of a pass failed`);
    return { healed, forgotten };
  }

  async #lookAtYoung(now: number): Promise<readonly Healed[]> {
    const { ledger, queues } = this.#options;
    const [from, to] = [Math.max(this.#lookedUntil, now - YOUNG_MS_MAX), now - YOUNG_MS];
    if (to <= from) return [];
    const { live } = shardKeys(this.#shard);
    const members = await ledger.redis.zrangebyscore(live, `(${from}`, to, "LIMIT", 0, YOUNG_A_PASS_MAX);
    this.#lookedUntil = to;
    // What is no run id is the business of the rounds.
    const ids = members.flatMap((member) => runIdIn(this.#shard, member) ?? []);
    const glances = await glanceRuns(this.#run, ids);
    const runs = glances.flatMap((glance) => (glance.kind === "live" ? [glance.run] : []));
    // A job that was lost on its way left no hash; a look into the lists would cost as much as they are long.
    const entries = runs.map((run) => ({ runId: run.id, ticket: run.ticket, pool: run.pool, run }));
    const hashless = await queues.hashless(entries);
    await this.#suspects.suspect(
      hashless.map(({ run }) => run),
      now,
    );
    return [];
  }

  /** Starts a round when one is due, and goes on with the one that is under way. */
  async #lookAtAll(now: number): Promise<readonly Healed[]> {
    const { redis } = this.#options.ledger;
    const size = await redis.zcard(shardKeys(this.#shard).live);
    const deficient = await this.#watch.isDeficient(now, this.#suspects.size);
    if (deficient && this.#round?.urgent !== true) this.#round = this.#newRound(now, size, true);
    if (this.#round === undefined && now >= this.#nextRoundAt) this.#round = this.#newRound(now, size, false);
    const round = this.#round;
    if (round === undefined) return [];

    const pace = round.steps.isExact ? EXACT_STEP : QUICK_STEP;
    const step = await round.steps.step(round.urgent ? URGENT_STEP : pace, now);
    round.missed += await this.#suspects.suspect(step.missed, now);
    const healed = [
      ...(await this.#audit.removeGarbage("live", step.garbage)),
      ...(await this.#audit.repair(step.misplaced)),
      ...step.corrupt.map((runId): Healed => ({ what: "corrupt", runId })),
    ];
    if (!round.steps.isOver) return healed;
    this.#round = undefined;
    this.#nextRoundAt = now + Math.max(ROUND_PAUSE_MS, size * ROUND_PAUSE_A_RUN_MS);
    if (round.urgent) this.#watch.swept(round.missed, now);
    // More runs than jobs, and each run that is listed has its job: then the lists may be wrong.
    if (round.urgent && round.missed === 0) this.#audit.hurry();
    if (!round.steps.isExact) return healed;
    return [...healed, ...(await this.#correct(await round.steps.wrongCounts()))];
  }

  #newRound(now: number, size: number, urgent: boolean) {
    const { ledger, queues } = this.#options;
    const exact = urgent || size <= ALWAYS_EXACT_MAX || this.#rounds % EXACT_EVERY === 0;
    if (!urgent) this.#rounds += 1;
    const steps = new EntryRound({
      redis: ledger.redis,
      run: this.#run,
      queues,
      shard: this.#shard,
      now,
      exact,
    });
    return { steps, urgent, missed: 0 };
  }

  /**
   * Corrects the counts that two rounds found wrong by the same difference, with a whole walk along the records in
   * between that found nothing out of step: a run that `live` has lost would look like a wrong count too.
   */
  async #correct(wrong: readonly BacklogCount[]): Promise<readonly Healed[]> {
    const before = this.#wrongCounts;
    this.#wrongCounts = new Map();
    const healed: Healed[] = [];
    for (const { pool, seen, actual } of wrong) {
      const known = before.get(pool);
      if (known === undefined || known.difference !== actual - seen) {
        this.#wrongCounts.set(pool, { difference: actual - seen, walk: this.#audit.hurry() });
        continue;
      }
      this.#wrongCounts.set(pool, known);
      if (!this.#audit.hasSeenAllWell(known.walk)) continue;
      const [did] = await this.#run(
        "recount",
        [shardKeys(this.#shard).backlog],
        [pool, String(seen), String(actual)],
      );
      if (did === "corrected") healed.push({ what: "backlog", pool, detail: `${seen} instead of ${actual}` });
    }
    return healed;
  }

  #isNews({ what, runId }: Healed): boolean {
    if (what !== "corrupt" || runId === undefined) return true;
    if (this.#told.has(runId)) return false;
    if (this.#told.size >= CORRUPT_TOLD_MAX) this.#told.clear();
    this.#told.add(runId);
    return true;
  }

  #forgetAll(): void {
    this.#suspects.clear();
    this.#round = undefined;
    this.#wrongCounts = new Map();
    this.#lookedUntil = 0;
    this.#nextRoundAt = 0;
  }
}
