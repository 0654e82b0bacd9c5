/** A reconciler on the queues of a test. Redis' time, as far as it is concerned, moves on by the test's word alone. */
import { jobIdOf } from "@baton/core";
import type { QueueEntry } from "../create-run.ts";
import type { Healed } from "../heal-log.ts";
import type { Ledger } from "../ledger.ts";
import { type EnqueueOptions, PoolQueues } from "../pool-queues.ts";
import { type PassReport, Reconciler } from "../reconciler.ts";
import type { RedisClient } from "../redis-client.ts";
import { type BullRig, openBull } from "./bull-rig.ts";
import { systemIds } from "./make-run.ts";

export const LOCK_MS = 4_000;
export const ADD_GRACE_MS = 1_000;

export interface ReconcilerRig extends AsyncDisposable {
  readonly bull: BullRig;
  readonly queues: PoolQueues;
  /** Another reconciler, as a process of its own would have it. */
  make(id?: string): Reconciler;
  /** Ids of all jobs that were ever added. */
  added(): readonly string[];
  /** Moves the time on, and lets the reconciler look. */
  passAfter(ms: number): Promise<readonly Healed[]>;
  report(ms: number): Promise<PassReport>;
  /** Passes until the first round is over: from here on only what is new is looked at, for a minute. */
  settle(): Promise<void>;
  readonly now: number;
}

/** Remembers the id of each job that was ever added. */
class RecordingQueues extends PoolQueues {
  readonly added: string[] = [];
  override async enqueue(entry: QueueEntry, options?: EnqueueOptions): Promise<void> {
    this.added.push(jobIdOf(entry.runId, entry.ticket));
    await super.enqueue(entry, options);
  }
}

export function openReconciler(url: string, ledger: Ledger): ReconcilerRig {
  const added: RecordingQueues[] = [];
  const bull = openBull(url, (connection: RedisClient, onError: (error: Error) => void) => {
    const queues = new RecordingQueues(connection, onError);
    added.push(queues);
    return queues;
  });
  let now: number | undefined;
  const make = (id = "one") =>
    new Reconciler({
      ledger,
      queues: bull.queues,
      ids: systemIds,
      identity: { id, host: "test" },
      lockMs: LOCK_MS,
      addGraceMs: ADD_GRACE_MS,
    });
  const reconciler = make();
  const report = (ms: number): Promise<PassReport> => {
    // Behind all that the test has set up before its first pass, which Redis' clock has stamped.
    now = (now ?? systemIds.now() + 1) + ms;
    return reconciler.pass(now);
  };
  return {
    bull,
    queues: bull.queues,
    make,
    added: () => added[0]?.added ?? [],
    passAfter: async (ms) => (await report(ms)).healed,
    report,
    async settle() {
      await report(0);
      await report(0);
    },
    get now() {
      now ??= systemIds.now() + 1;
      return now;
    },
    [Symbol.asyncDispose]: () => bull[Symbol.asyncDispose](),
  };
}
