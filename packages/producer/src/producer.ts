/**
 * The producer: submits and forks runs, watches them, waits for their results, and steers them as `RunControl` and
 * `BatchControl` do. A run is created by the ledger alone, and its queue entry is added right behind; if the producer
 * dies between the two, the reconciler adds it.
 */
import {
  formatTraceParent,
  isTerminal,
  modelsOf,
  needsOf,
  parseRunSpec,
  parseTraceParent,
  placeRun,
  type Run,
  type RunId,
  type RunResult,
  type RunSpec,
  type StampedEvent,
} from "@baton/core";
import {
  type CreateReply,
  conflictError,
  type EnqueueOptions,
  type RunWithSpec,
  type WatchOptions,
  watchRun,
} from "@baton/store";
import { BatchControl } from "./batch/batch-control.ts";
import { batchKey, checkBatchPlace } from "./batch/batch-key.ts";
import { planContinuation } from "./continue-run.ts";
import { firstItems } from "./first-items.ts";
import { type Fork, type ForkOptions, planFork } from "./fork-run.ts";
import { readResult } from "./read-result.ts";
import { type ProducerOptions, type ResumeOptions, timeoutMsOf } from "./run-control.ts";

export interface SubmitOptions {
  /**
   * The batch that the run belongs to: its runs share a budget and are found together. `customId` names the run in
   * it, and is its idempotency key unless another one is given.
   */
  readonly batch?:
    | {
        readonly id: string;
        readonly customId: string;
        /** It waits its turn with the others of its batch; absent, it goes straight into the queue. */
        readonly admit?: boolean | undefined;
      }
    | undefined;
  /** The same key with the same spec gives the same run; with another spec it is a `conflict` (R8). */
  readonly idempotencyKey?: string | undefined;
  /** Whose run it is: idempotency keys hold within a namespace, and its runs can be listed alone. */
  readonly namespace?: string | undefined;
  /**
   * A run that ended with calls of its caller's functions, whose results the spec's messages bring: the new run begins
   * with its conversation, when it is there, of the same namespace, and the messages do take it up.
   */
  readonly continues?: RunId | undefined;
  /** The submitter's trace context (W3C `traceparent`): the run's spans join its trace. One that cannot be read is left out. */
  readonly trace?: string | undefined;
}

export interface Submitted {
  readonly runId: RunId;
  /** False when the run was there already, by its idempotency key. */
  readonly created: boolean;
}

export type WaitingRun = Extract<Run, { status: "waiting" }>;

export class Producer extends BatchControl {
  readonly #options: ProducerOptions;

  constructor(options: ProducerOptions) {
    super(options);
    this.#options = options;
  }

  /** Creates a run and enqueues its first phase. Throws `invalid_spec` or `conflict`; then nothing is written. */
  async submit(spec: unknown, options: SubmitOptions = {}): Promise<Submitted> {
    const { ledger, ids } = this.#options;
    const parsed = parseRunSpec(spec);
    const { batch } = options;
    if (batch !== undefined) checkBatchPlace(batch);
    const now = ids.now();
    const delayMs = parsed.run_at === undefined ? 0 : Math.max(0, Date.parse(parsed.run_at) - now);
    const id = placeRun({ shards: ledger.shards, key: submissionKey(options) }, ids);
    const taken = await this.#continuation(parsed, options, now);
    const reply = await ledger.create({
      id,
      spec: parsed,
      items: taken?.items ?? firstItems(parsed, now),
      pool: taken?.pool ?? modelsOf(parsed)[0].model,
      needs: needsOf(parsed),
      delayMs,
      timeoutMs: timeoutMsOf(parsed),
      idempotencyKey: submissionKey(options),
      batch,
      admit: batch?.admit,
      namespace: options.namespace,
      trace: traceOf(options),
      fork: taken && { of: taken.of, items: taken.shared, phase: taken.phase },
    });
    return this.#submitted(reply, { delayMs, priority: parsed.priority ?? 0, progress: "new" });
  }

  /**
   * A new run that begins with the conversation of `id`, up to a turn border. Throws `invalid_spec` where it cannot
   * be cut.
   */
  async fork(id: RunId, options: ForkOptions & SubmitOptions & ResumeOptions = {}): Promise<Submitted> {
    if (options.batch !== undefined) checkBatchPlace(options.batch);
    const found = await this.get(id);
    const items = await this.conversation(id);
    const now = this.#options.ids.now();
    const create = (at: number | undefined) =>
      this.#createFork(found, planFork(found.run, found.spec, items, { ...options, at }, now), options);
    let reply = await create(options.at);
    if (reply.kind === "conflict" && options.at === undefined) {
      // The same request cut elsewhere, because its source has gone on since: where the fork that it made was cut, it is
      // the same body (R8).
      const { forkedFrom } = (await this.#options.ledger.read(reply.runId))?.run ?? {};
      if (forkedFrom?.run === id) reply = await create(forkedFrom.items - 1);
    }
    return this.#submitted(reply, { delayMs: 0, priority: found.spec.priority ?? 0, progress: "new" });
  }

  #createFork(
    { run, spec }: RunWithSpec,
    fork: Fork,
    options: SubmitOptions & ResumeOptions,
  ): Promise<CreateReply> {
    const { ledger, ids } = this.#options;
    const { run_at: _started, ...rest } = spec;
    const own =
      options.budget === undefined ? rest : { ...rest, budget: { ...rest.budget, ...options.budget } };
    return ledger.create({
      id: placeRun({ shards: ledger.shards, key: submissionKey(options) }, ids),
      spec: own,
      items: fork.items,
      pool: fork.pool,
      needs: needsOf(own),
      delayMs: 0,
      timeoutMs: timeoutMsOf(own),
      idempotencyKey: submissionKey(options),
      batch: options.batch,
      namespace: options.namespace ?? run.namespace,
      trace: traceOf(options),
      fork: { of: run.id, items: fork.shared, phase: fork.phase },
    });
  }

  async #continuation(spec: RunSpec, { continues, namespace }: SubmitOptions, now: number) {
    if (continues === undefined) return undefined;
    const found = await this.#options.ledger.read(continues);
    // Nothing of a run that is not the caller's is read on.
    if (found === undefined || found.run.namespace !== namespace) return undefined;
    const items = await this.#options.ledger.conversation(continues);
    const plan = planContinuation(found.run, found.spec, items, spec, now);
    return plan && { ...plan, of: continues };
  }

  async #submitted(reply: CreateReply, options: EnqueueOptions): Promise<Submitted> {
    if (reply.kind === "conflict") throw conflictError(reply.runId);
    await this.#options.queues.enqueue(reply.entry, options);
    return { runId: reply.entry.runId, created: reply.kind === "created" };
  }

  /** Events of a run until its end; see `watchRun`. */
  watch(id: RunId, options: WatchOptions, signal: AbortSignal): AsyncGenerator<StampedEvent, void, void> {
    const { ledger, hub } = this.#options;
    return watchRun(ledger, hub, id, options, signal);
  }

  /**
   * Waits until the run is over or waits for an outside act, or the signal aborts, and gives the run as it is then. It is
   * what `result` is to those who want the run.
   */
  async untilSettled(id: RunId, signal: AbortSignal): Promise<RunWithSpec> {
    await using subscription = await this.#options.hub.subscribe(id);
    for (;;) {
      // A hint comes with every piece of text: what tells whether to wait on costs a fraction of the run.
      const status = (await this.#options.ledger.glance(id))?.status;
      const isMoving = status === "queued" || status === "running";
      if (!isMoving || signal.aborted) return this.get(id);
      await subscription.wait(signal);
    }
  }

  /**
   * Waits until the run is terminal and gives its result; on abort, the result so far. `onWait` hears of a run that waits
   * for an outside act, maybe more than once.
   */
  async result(id: RunId, signal: AbortSignal, onWait?: (run: WaitingRun) => void): Promise<RunResult> {
    await using subscription = await this.#options.hub.subscribe(id);
    for (;;) {
      const { run, spec } = await this.get(id);
      if (isTerminal(run.status) || signal.aborted) return readResult(this.#options.ledger, run, spec);
      if (run.status === "waiting") onWait?.(run);
      await subscription.wait(signal);
    }
  }

  /** The result as it is now. */
  async resultNow(id: RunId): Promise<RunResult> {
    const { run, spec } = await this.get(id);
    return readResult(this.#options.ledger, run, spec);
  }
}

function traceOf({ trace }: SubmitOptions): string | undefined {
  const parent = trace === undefined ? undefined : parseTraceParent(trace);
  return parent === undefined ? undefined : formatTraceParent(parent);
}

/** The key by which the ledger finds the run of a submission again; undefined when each makes a run of its own. */
export function submissionKey({
  idempotencyKey,
  batch,
  namespace,
}: Pick<SubmitOptions, "idempotencyKey" | "batch" | "namespace">): string | undefined {
  const own = namespace === undefined ? idempotencyKey : keyIn(namespace, idempotencyKey);
  return own ?? (batch === undefined ? undefined : batchKey(batch));
}

/** No key that a caller without a namespace would choose by accident. */
function keyIn(namespace: string, idempotencyKey: string | undefined): string | undefined {
  return idempotencyKey === undefined ? undefined : `namespace ${namespace} ${idempotencyKey}`;
}
