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
  type CreateRun,
  conflictError,
  type EnqueueOptions,
  FreshAnswers,
  type HintSubscription,
  type RunGlance,
  type RunWithSpec,
  type WatchOptions,
  watchRun,
} from "@baton/store";
import type { AdmissionOptions } from "./admission.ts";
import { BatchControl } from "./batch/batch-control.ts";
import { batchKey, checkBatchPlace } from "./batch/batch-key.ts";
import { planContinuation } from "./continue-run.ts";
import { firstItems } from "./first-items.ts";
import { type Fork, type ForkOptions, planFork } from "./fork-run.ts";
import { readResult } from "./read-result.ts";
import { type ProducerOptions, type ResumeOptions, timeoutMsOf } from "./run-control.ts";

export interface SubmitOptions extends AdmissionOptions {
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
  readonly #glances = new FreshAnswers<RunGlance | undefined>();

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
    const create: CreateRun = {
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
    };
    const reply = await this.#create(create, options);
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
    const create = async (): Promise<CreateReply> => {
      const at = options.at ?? (await this.#cutBefore(id, options));
      return this.#createFork(
        found,
        planFork(found.run, found.spec, items, { ...options, at }, now),
        options,
      );
    };
    let reply = await create();
    // The same request, sent at the same time, may have made the fork since this one looked for it.
    if (reply.kind === "conflict" && options.at === undefined) reply = await create();
    return this.#submitted(reply, { delayMs: 0, priority: found.spec.priority ?? 0, progress: "new" });
  }

  /**
   * Where the fork of `id` that this request made before was cut: there it is the same body, and not where it would be cut
   * now that its source has gone on, or has ended (R8). Throws `conflict` when its key is another run's.
   */
  async #cutBefore(id: RunId, options: SubmitOptions): Promise<number | undefined> {
    const { ledger } = this.#options;
    const key = submissionKey(options);
    const known = key === undefined ? undefined : await ledger.runOfKey(key);
    const run = known === undefined ? undefined : await ledger.outline(known);
    if (run === undefined) return undefined;
    if (run.forkedFrom?.run !== id) throw conflictError(run.id);
    return run.forkedFrom.items - 1;
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
    const create: CreateRun = {
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
    };
    return this.#create(create, options);
  }

  #create(create: CreateRun, { admission }: SubmitOptions): Promise<CreateReply> {
    const { ledger } = this.#options;
    if (admission === undefined) return ledger.create(create);
    return admission.admit((until) => ledger.createUntil(create, until));
  }

  async #continuation(spec: RunSpec, { continues, namespace }: SubmitOptions, now: number) {
    if (continues === undefined) return undefined;
    // Nothing of a run that is not the caller's is read: not even that it cannot be.
    if ((await this.#options.ledger.glance(continues))?.namespace !== namespace) return undefined;
    const found = await this.#options.ledger.read(continues);
    if (found === undefined) return undefined;
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
    await using subscription = await this.#subscribe(id, signal);
    for (;;) {
      if (!(await this.#isMoving(id)) || signal.aborted) return this.get(id);
      await subscription?.wait(signal);
    }
  }

  /**
   * Waits until the run is terminal and gives its result; on abort, the result so far. `onWait` hears of a run that waits
   * for an outside act, maybe more than once.
   */
  async result(id: RunId, signal: AbortSignal, onWait?: (run: WaitingRun) => void): Promise<RunResult> {
    await using subscription = await this.#subscribe(id, signal);
    for (;;) {
      if ((await this.#isMoving(id)) && !signal.aborted) {
        await subscription?.wait(signal);
        continue;
      }
      const { run, spec } = await this.get(id);
      if (isTerminal(run.status) || signal.aborted) return readResult(this.#options.ledger, run, spec);
      if (run.status === "waiting") onWait?.(run);
      await subscription?.wait(signal);
    }
  }

  /**
   * A hint comes with every piece of text: what tells whether to wait on costs a fraction of the run, and is asked once for
   * all who wait for it, because whoever may wait may do so thousands of times at once.
   */
  async #isMoving(id: RunId): Promise<boolean> {
    const glance = await this.#glances.get(id, () => this.#options.ledger.glance(id));
    return glance?.status === "queued" || glance?.status === "running";
  }

  /** Undefined when the signal aborts first: then nobody waits any more. */
  async #subscribe(id: RunId, signal: AbortSignal): Promise<HintSubscription | undefined> {
    try {
      return await this.#options.hub.subscribe(id, signal);
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
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
