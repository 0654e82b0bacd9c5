/**
 * Runs whose queue entry looks missing. At first such a run is only suspected: its job may be on its way (the add
 * follows the commit), or its worker may be just finishing. It is queued again when the entry is still missing and the
 * run exactly as it was on a later look: after a grace for queued runs, after a lock's duration for running ones,
 * because a healthy worker whose job was finished by another ends its phase within that time.
 *
 * R4: never is an id added again. `requeue` compares status, ticket, epoch and claim id, raises ticket and epoch, and a
 * new job follows. So nothing here has to be right for safety: what was seen late, twice or by two leaders is refused.
 */
import { type IdSource, newOperationId, type RunId } from "@baton/core";
import type { QueueEntry } from "./create-run.ts";
import { glanceRuns, type LiveRun } from "./glance-runs.ts";
import type { Healed } from "./heal-log.ts";
import { isScriptError } from "./is-script-error.ts";
import type { Ledger } from "./ledger.ts";
import type { PoolQueues } from "./pool-queues.ts";
import type { RunScript } from "./scripts.ts";

export interface EntrySuspectsOptions {
  readonly ledger: Ledger;
  readonly queues: PoolQueues;
  readonly run: RunScript;
  readonly ids: IdSource;
  /** Milliseconds for which a running run may look lost. */
  readonly lockMs: number;
  /** Milliseconds for which a job may be on its way. */
  readonly addGraceMs: number;
}

interface Suspicion {
  /** The exact fence under which the run was seen. */
  readonly mark: string;
  readonly since: number;
}

interface Missing extends QueueEntry {
  readonly run: LiveRun;
}

const SUSPECTS_MAX = 200_000;
/** Suspects that are looked at again in one pass. */
const LOOKS_A_PASS_MAX = 5_000;
const AT_ONCE = 100;

export class EntrySuspects {
  readonly #options: EntrySuspectsOptions;
  readonly #suspects = new Map<RunId, Suspicion>();

  constructor(options: EntrySuspectsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#suspects.size;
  }

  clear(): void {
    this.#suspects.clear();
  }

  /** Suspects those of the runs that have no job now; returns how many that are. */
  async suspect(runs: readonly LiveRun[], now: number): Promise<number> {
    const missing = await this.#missing(runs);
    for (const { run } of missing) {
      if (this.#suspects.size >= SUSPECTS_MAX) break;
      const mark = markOf(run);
      if (this.#suspects.get(run.id)?.mark !== mark) this.#suspects.set(run.id, { mark, since: now });
    }
    return missing.length;
  }

  /** Looks again at what is suspected: acquits what has its job or has moved on, requeues what is lost. */
  async lookAgain(now: number): Promise<readonly Healed[]> {
    const taken = [...this.#suspects].slice(0, LOOKS_A_PASS_MAX);
    const glances = await glanceRuns(
      this.#options.run,
      taken.map(([id]) => id),
    );
    const unchanged = glances.flatMap((glance, place) =>
      glance.kind === "live" && markOf(glance.run) === taken[place]?.[1].mark ? [glance.run] : [],
    );
    const missing = await this.#missing(unchanged);
    const due: LiveRun[] = [];
    for (const [id] of taken) this.#suspects.delete(id);
    const suspicions = new Map(taken);
    for (const { run } of missing) {
      const suspicion = suspicions.get(run.id);
      if (suspicion === undefined) continue;
      if (now - suspicion.since >= this.#graceOf(run)) due.push(run);
      // At the end of the line, so that no other suspect waits for ever.
      else this.#suspects.set(run.id, suspicion);
    }
    return this.#requeueAll(due, now);
  }

  async #missing(runs: readonly LiveRun[]): Promise<readonly Missing[]> {
    return this.#options.queues.missing(
      runs.map((run) => ({ runId: run.id, ticket: run.ticket, pool: run.pool, run })),
    );
  }

  #graceOf(run: LiveRun): number {
    return run.status === "running" ? this.#options.lockMs : this.#options.addGraceMs;
  }

  async #requeueAll(runs: readonly LiveRun[], now: number): Promise<readonly Healed[]> {
    const healed: Healed[] = [];
    for (let from = 0; from < runs.length; from += AT_ONCE) {
      const some = await Promise.all(runs.slice(from, from + AT_ONCE).map((run) => this.#requeue(run, now)));
      healed.push(...some.filter((one) => one !== undefined));
    }
    return healed;
  }

  async #requeue(run: LiveRun, now: number): Promise<Healed | undefined> {
    const { ledger, queues, ids } = this.#options;
    const { id: runId, pool } = run;
    try {
      const reply = await ledger.requeue(runId, newOperationId(ids), run);
      if (reply.kind !== "done" || reply.entry === undefined) return undefined;
      const delayMs = Math.max(0, (run.notBefore ?? 0) - now);
      // With its first ticket it cannot have begun.
      const unbegun = run.isOfBatch ? "admitted" : "new";
      const progress = run.ticket === 1 && run.status === "queued" ? unbegun : "begun";
      await queues.enqueue(reply.entry, { delayMs, priority: run.priority, progress });
      return { what: run.status === "queued" ? "entry_missing" : "claim_lost", runId, pool };
    } catch (error) {
      if (isScriptError(error)) return { what: "corrupt", runId, pool, detail: error.message.slice(0, 200) };
      throw error;
    }
  }
}

function markOf(run: LiveRun): string {
  return `${run.status} ${run.ticket} ${run.epoch} ${run.claimId}`;
}
