/**
 * The producer: submits runs, watches them, waits for their results, and retries, cancels, pauses, resumes and
 * answers them. It changes a run by the ledger alone, and adds the queue entry that a change calls for right behind it;
 * if it dies between the two, the reconciler adds it.
 */
import {
  BatonError,
  type IdSource,
  type Item,
  isTerminal,
  type ModelId,
  modelsOf,
  type NewItem,
  needsOf,
  newOperationId,
  newRunId,
  parseRunSpec,
  type Run,
  type RunId,
  type RunResult,
  type RunSpec,
  resultOf,
  type StampedEvent,
  type ToolCallPart,
} from "@baton/core";
import {
  type ControlReply,
  conflictError,
  type EventHub,
  type Ledger,
  type PoolQueues,
  type RunWithSpec,
  type WatchOptions,
  watchRun,
} from "@baton/store";
import { firstItems, userItem } from "./first-items.ts";
import {
  clientCallsOf,
  closingItems,
  inputItems,
  isReply,
  openCalls,
  parseRunInput,
  placeItems,
} from "./run-input.ts";

export interface ProducerOptions {
  readonly ledger: Ledger;
  readonly queues: Pick<PoolQueues, "enqueue">;
  readonly hub: EventHub;
  readonly ids: IdSource;
}

export interface SubmitOptions {
  /** The same key with the same spec gives the same run; with another spec it is a `conflict` (R8). */
  readonly idempotencyKey?: string | undefined;
}

export interface Submitted {
  readonly runId: RunId;
  /** False when the run was there already, by its idempotency key. */
  readonly created: boolean;
}

export interface RetryOptions {
  /** Another model for the phase that failed. */
  readonly model?: ModelId | undefined;
  /** Said to the model before it goes on, as a user's message. */
  readonly input?: string | undefined;
}

/** Items read at once on the way back to the last reply. */
const TAIL_PAGE = 50;

export class Producer {
  readonly #options: ProducerOptions;

  constructor(options: ProducerOptions) {
    this.#options = options;
  }

  /** Creates a run and enqueues its first phase. Throws `invalid_spec` or `conflict`; then nothing is written. */
  async submit(spec: unknown, options: SubmitOptions = {}): Promise<Submitted> {
    const { ledger, queues, ids } = this.#options;
    const parsed = parseRunSpec(spec);
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
      idempotencyKey: options.idempotencyKey,
    });
    if (reply.kind === "conflict") throw conflictError(reply.runId);
    await queues.enqueue(reply.entry, { delayMs, priority: parsed.priority ?? 0 });
    return { runId: reply.entry.runId, created: reply.kind === "created" };
  }

  /** The run and its spec, or `not_found`. */
  async get(id: RunId): Promise<RunWithSpec> {
    const found = await this.#options.ledger.read(id);
    if (found === undefined) throw notFound(id);
    return found;
  }

  /** Items of the conversation, from `from` to `to` inclusive; -1 is the last. */
  conversation(id: RunId, from?: number, to?: number): Promise<readonly Item[]> {
    return this.#options.ledger.conversation(id, from, to);
  }

  /** Events of a run until its end; see `watchRun`. */
  watch(id: RunId, options: WatchOptions, signal: AbortSignal): AsyncGenerator<StampedEvent, void, void> {
    const { ledger, hub } = this.#options;
    return watchRun(ledger, hub, id, options, signal);
  }

  /** Waits until the run is terminal and gives its result; on abort, the result so far. */
  async result(id: RunId, signal: AbortSignal): Promise<RunResult> {
    await using subscription = await this.#options.hub.subscribe(id);
    for (;;) {
      const { run, spec } = await this.get(id);
      if (isTerminal(run.status) || signal.aborted) return this.#resultOf(run, spec);
      await subscription.wait(signal);
    }
  }

  /** The result as it is now. */
  async resultNow(id: RunId): Promise<RunResult> {
    const { run, spec } = await this.get(id);
    return this.#resultOf(run, spec);
  }

  async cancel(id: RunId): Promise<void> {
    const reply = await this.#options.ledger.cancel(id, newOperationId(this.#options.ids));
    this.#demand(id, "cancelled", reply);
  }

  async pause(id: RunId): Promise<void> {
    const reply = await this.#options.ledger.pause(id, newOperationId(this.#options.ids));
    this.#demand(id, "paused", reply);
  }

  async resume(id: RunId): Promise<void> {
    const reply = await this.#options.ledger.resume(id, newOperationId(this.#options.ids));
    await this.#enqueueAfter("resumed", id, reply);
  }

  /**
   * Answers a waiting run, and lets it go on: results of the caller's own tools, a message of the user, or both;
   * `RunInput` tells their form. Throws `invalid_spec` for a result that nothing waits for, and `conflict` when
   * the run changed in the meantime, as when another process answered it; then nothing is written.
   */
  async input(id: RunId, value: unknown): Promise<void> {
    const { ledger, ids } = this.#options;
    const input = parseRunInput(value);
    const { run, spec } = await this.get(id);
    if (run.status !== "waiting") throw notPossible(run.id, run.status, "answered");
    const items = inputItems(run, spec, await this.#tail(run), input, ids.now());
    const reply = await ledger.resume(id, newOperationId(ids), { length: run.items, items });
    await this.#enqueueAfter("answered", id, reply);
  }

  /** The calls that a run waits for its caller to answer; none when it does not wait for that. */
  async clientCalls(id: RunId): Promise<readonly ToolCallPart[]> {
    const { run, spec } = await this.get(id);
    if (run.status !== "waiting" || run.reason !== "client_tools") return [];
    return clientCallsOf(spec, openCalls(await this.#tail(run)));
  }

  /** Puts a failed or cancelled run back to work, in its last phase, from its last written item. */
  async retry(id: RunId, options: RetryOptions = {}): Promise<void> {
    const { ledger, ids } = this.#options;
    const { run, spec } = await this.get(id);
    const items = placeItems(run, await this.#retryItems(run, options), ids.now());
    const reply = await ledger.retry(id, {
      op: newOperationId(ids),
      epoch: run.epoch,
      length: run.items,
      pool: options.model,
      timeoutMs: timeoutMsOf(spec),
      items,
    });
    await this.#enqueueAfter("retried", id, reply);
  }

  /** The record of the retry. What leaves the last turn behind closes the calls that are open in it. */
  async #retryItems(run: Run, options: RetryOptions): Promise<readonly NewItem[]> {
    const { model, input } = options;
    const detail: Record<string, unknown> = { status: run.status };
    if (model !== undefined) detail.model = model;
    if (run.status === "failed") detail.error = run.error;
    const items: NewItem[] = [{ role: "control", parts: [{ type: "record", act: "retry", detail }] }];
    if (input !== undefined || (model !== undefined && model !== run.model)) {
      items.push(...closingItems(openCalls(await this.#tail(run))));
    }
    if (input !== undefined) items.push(userItem(input));
    return items;
  }

  /** The end of the conversation, from the last reply on; all of it when there is none. */
  async #tail(run: Run): Promise<readonly Item[]> {
    let items: readonly Item[] = [];
    for (let from = run.items; from > 0 && !items.some(isReply); ) {
      const before = Math.max(0, from - TAIL_PAGE);
      items = [...(await this.conversation(run.id, before, from - 1)), ...items];
      from = before;
    }
    return items;
  }

  async #resultOf(run: Run, spec: RunSpec): Promise<RunResult> {
    const items = await this.conversation(run.id);
    const format = spec.response_format?.type;
    return resultOf(run, items, { parseJson: format === "json_object" || format === "json_schema" });
  }

  async #enqueueAfter(did: string, id: RunId, reply: ControlReply): Promise<void> {
    this.#demand(id, did, reply);
    if (reply.kind !== "done" || reply.entry === undefined) return;
    const glance = await this.#options.ledger.glance(id);
    await this.#options.queues.enqueue(reply.entry, { priority: glance?.priority ?? 0 });
  }

  #demand(id: RunId, did: string, reply: ControlReply): void {
    if (reply.kind === "gone") throw notFound(id);
    if (reply.kind !== "refused") return;
    if (reply.status !== "moved") throw notPossible(id, reply.status, did);
    throw new BatonError("conflict", `run ${id} changed while it was being ${did}: look at it again`, {
      fields: { runId: id },
    });
  }
}

function notPossible(id: RunId, status: string, did: string): BatonError {
  return new BatonError("not_possible", `run ${id} is ${status} and cannot be ${did} now`, {
    fields: { runId: id, status },
  });
}

function timeoutMsOf(spec: RunSpec): number {
  return spec.timeout === undefined ? 0 : Math.ceil(spec.timeout * 1_000);
}

function notFound(id: RunId): BatonError {
  return new BatonError("not_found", `there is no run ${id}: it never was, or its retention has passed`, {
    fields: { runId: id },
  });
}
