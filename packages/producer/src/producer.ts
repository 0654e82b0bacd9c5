/**
 * The producer: submits and forks runs, watches them, waits for their results, and steers them as `RunControl` does.
 * A run is created by the ledger alone, and its queue entry is added right behind; if the producer dies between the
 * two, the reconciler adds it.
 */
import {
  BatonError,
  type Budget,
  isTerminal,
  modelsOf,
  needsOf,
  newRunId,
  parseRunSpec,
  type Run,
  type RunId,
  type RunResult,
  type RunSpec,
  resultOf,
  type StampedEvent,
} from "@baton/core";
import {
  BATCH_ID,
  type Batch,
  type CreateReply,
  conflictError,
  type EnqueueOptions,
  type WatchOptions,
  watchRun,
} from "@baton/store";
import { firstItems } from "./first-items.ts";
import { type ForkOptions, planFork } from "./fork-run.ts";
import { type ProducerOptions, type ResumeOptions, RunControl, timeoutMsOf } from "./run-control.ts";

export interface SubmitOptions {
  /**
   * The batch that the run belongs to: its runs share a budget and are found together. `customId` names the run in
   * it, and is its idempotency key unless another one is given.
   */
  readonly batch?: { readonly id: string; readonly customId: string } | undefined;
  /** The same key with the same spec gives the same run; with another spec it is a `conflict` (R8). */
  readonly idempotencyKey?: string | undefined;
}

export interface Submitted {
  readonly runId: RunId;
  /** False when the run was there already, by its idempotency key. */
  readonly created: boolean;
}

const CUSTOM_ID_CHARS_MAX = 512;

export type WaitingRun = Extract<Run, { status: "waiting" }>;

export class Producer extends RunControl {
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
    if (batch !== undefined) checkBatch(batch);
    const now = ids.now();
    const delayMs = parsed.run_at === undefined ? 0 : Math.max(0, Date.parse(parsed.run_at) - now);
    const id = newRunId(0, ids);
    const reply = await ledger.create({
      id,
      spec: parsed,
      items: firstItems(parsed, now),
      pool: modelsOf(parsed)[0].model,
      needs: needsOf(parsed),
      delayMs,
      timeoutMs: timeoutMsOf(parsed),
      idempotencyKey: keyOf(options),
      batch,
    });
    return this.#submitted(reply, { delayMs, priority: parsed.priority ?? 0 });
  }

  /**
   * A new run that begins with the conversation of `id`, up to a turn border. Throws `invalid_spec` where it cannot
   * be cut.
   */
  async fork(id: RunId, options: ForkOptions & SubmitOptions & ResumeOptions = {}): Promise<Submitted> {
    const { ledger, ids } = this.#options;
    if (options.batch !== undefined) checkBatch(options.batch);
    const { run, spec } = await this.get(id);
    const fork = planFork(run, spec, await this.conversation(id), options, ids.now());
    const { run_at: _started, ...rest } = spec;
    const own =
      options.budget === undefined ? rest : { ...rest, budget: { ...rest.budget, ...options.budget } };
    const reply = await ledger.create({
      id: newRunId(0, ids),
      spec: own,
      items: fork.items,
      pool: fork.pool,
      needs: needsOf(own),
      delayMs: 0,
      timeoutMs: timeoutMsOf(own),
      idempotencyKey: keyOf(options),
      batch: options.batch,
      fork: { of: id, items: fork.shared, phase: fork.phase },
    });
    return this.#submitted(reply, { delayMs: 0, priority: own.priority ?? 0 });
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
   * Waits until the run is terminal and gives its result; on abort, the result so far. `onWait` hears of a run that waits
   * for an outside act, maybe more than once.
   */
  async result(id: RunId, signal: AbortSignal, onWait?: (run: WaitingRun) => void): Promise<RunResult> {
    await using subscription = await this.#options.hub.subscribe(id);
    for (;;) {
      const { run, spec } = await this.get(id);
      if (isTerminal(run.status) || signal.aborted) return this.#resultOf(run, spec);
      if (run.status === "waiting") onWait?.(run);
      await subscription.wait(signal);
    }
  }

  /** The result as it is now. */
  async resultNow(id: RunId): Promise<RunResult> {
    const { run, spec } = await this.get(id);
    return this.#resultOf(run, spec);
  }

  /** What the runs of a batch spent, and their budget. */
  async batch(id: string): Promise<Batch> {
    checkBatch({ id, customId: "-" });
    return this.#options.ledger.batch(id);
  }

  /** Sets the whole budget of a batch; runs that wait for it are resumed by the caller. */
  async setBatchBudget(id: string, budget: Budget): Promise<void> {
    checkBatch({ id, customId: "-" });
    await this.#options.ledger.setBatchBudget(id, budget);
  }

  async #resultOf(run: Run, spec: RunSpec): Promise<RunResult> {
    const items = await this.conversation(run.id);
    const format = spec.response_format?.type;
    return resultOf(run, items, { parseJson: format === "json_object" || format === "json_schema" });
  }
}

function keyOf({ idempotencyKey, batch }: SubmitOptions): string | undefined {
  return idempotencyKey ?? (batch === undefined ? undefined : `batch ${batch.id} ${batch.customId}`);
}

function checkBatch({ id, customId }: { readonly id: string; readonly customId: string }): void {
  if (!BATCH_ID.test(id)) {
    throw new BatonError(
      "invalid_spec",
      "a batch's id has 1 to 64 letters, digits, dots, dashes, underscores",
    );
  }
  if (customId === "" || customId.length > CUSTOM_ID_CHARS_MAX) {
    throw new BatonError(
      "invalid_spec",
      `a run of a batch has a custom id of 1 to ${CUSTOM_ID_CHARS_MAX} characters`,
    );
  }
}
