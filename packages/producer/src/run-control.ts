/**
 * What people do to runs that are there: cancel, pause, resume, retry, answer, approve, reject; one by one or all that
 * match. A run is changed by the ledger alone, and the queue entry that a change calls for is added right behind it; if
 * the caller dies between the two, the reconciler adds it.
 */
import {
  BatonError,
  type Budget,
  callsIn,
  type IdSource,
  type Item,
  type ModelId,
  type NewItem,
  newOperationId,
  type Part,
  type Run,
  type RunId,
  type RunSpec,
  type ToolCallPart,
} from "@baton/core";
import {
  type ControlReply,
  type EventHub,
  type Ledger,
  type LiveWorker,
  listWorkers,
  type PoolQueues,
  type PoolSettingsPatch,
  type Retry,
  type RunWithSpec,
} from "@baton/store";
import type { AdmissionOptions } from "./admission.ts";
import {
  type ApprovalOptions,
  approvalItems,
  askedCalls,
  type RejectOptions,
  rejectionItems,
} from "./approvals.ts";
import { readTail } from "./conversation-tail.ts";
import { type Done, eachRun } from "./each-run.ts";
import { userItem } from "./first-items.ts";
import { pageRuns, type RunFilter, type RunPage, type RunPageQuery, selectRuns } from "./page-runs.ts";
import { type PoolView, readPool, readPools } from "./pool-views.ts";
import { hasPart } from "./read-result.ts";
import {
  clientCallsOf,
  closingItems,
  inputItems,
  openCalls,
  parseRunInput,
  placeItems,
} from "./run-input.ts";
import { readNotice } from "./run-notice.ts";

export interface ProducerOptions {
  readonly ledger: Ledger;
  readonly queues: Pick<PoolQueues, "enqueue" | "queueOf" | "countsOf" | "shards">;
  readonly hub: EventHub;
  readonly ids: IdSource;
  /** The account whose limits a provider's models share, by the configuration; absent: each its own. */
  readonly accountOf?: ((provider: string) => string) | undefined;
}

export interface RetryOptions extends AdmissionOptions {
  /** Another model for the phase that failed. */
  readonly model?: ModelId | undefined;
  /** Said to the model before it goes on, as a user's message. */
  readonly input?: string | undefined;
  /** How many calls may fail in a row from here on; absent: what the configuration says. */
  readonly attempts?: number | undefined;
  /** Goes over the run's budget, name by name. */
  readonly budget?: Budget | undefined;
}

export interface ResumeOptions {
  /** For a run that waits at its budget: goes over it, name by name. */
  readonly budget?: Budget | undefined;
}

export class RunControl {
  readonly #options: ProducerOptions;

  constructor(options: ProducerOptions) {
    this.#options = options;
  }

  /** The run and its spec, or `not_found`. */
  async get(id: RunId): Promise<RunWithSpec> {
    const found = await this.#options.ledger.read(id);
    if (found === undefined) throw notFound(id);
    return found;
  }

  /** Whose run it is, if anybody's; for a fraction of what `get` costs. Throws `not_found`. */
  async ownerOf(id: RunId): Promise<string | undefined> {
    const glance = await this.#options.ledger.glance(id);
    if (glance === undefined) throw notFound(id);
    return glance.namespace;
  }

  /**
   * Items of the conversation, from `from` to `to` inclusive; -1 is the last. With `bytesMax`, and a `to` that is counted
   * from the start: only as many as fit, and one at least.
   */
  conversation(id: RunId, from?: number, to?: number, bytesMax?: number): Promise<readonly Item[]> {
    return this.#options.ledger.conversation(id, from, to, bytesMax);
  }

  async cancel(id: RunId): Promise<void> {
    const reply = await this.#options.ledger.cancel(id, newOperationId(this.#options.ids));
    this.#demand(id, "cancelled", reply);
  }

  async pause(id: RunId): Promise<void> {
    const reply = await this.#options.ledger.pause(id, newOperationId(this.#options.ids));
    this.#demand(id, "paused", reply);
  }

  async resume(id: RunId, options: ResumeOptions = {}): Promise<void> {
    const { ledger, ids } = this.#options;
    const { budget } = options;
    if (budget !== undefined) {
      const detail = { budget };
      const items: NewItem[] = [{ role: "control", parts: [{ type: "record", act: "resume", detail }] }];
      return this.#answer(id, "resumed", () => items);
    }
    const reply = await ledger.resume(id, newOperationId(ids));
    await this.#enqueueAfter("resumed", id, reply);
  }

  /** The calls that a run waits for a person's word on; none when it does not wait for that. */
  async askedCalls(id: RunId): Promise<readonly ToolCallPart[]> {
    const { run } = await this.get(id);
    if (run.status !== "waiting" || run.reason !== "approval") return [];
    return askedCalls(await this.#tail(run));
  }

  /** Lets calls be made that the run asks for. Throws `invalid_spec` for a call that it does not ask for. */
  approve(id: RunId, options: ApprovalOptions = {}): Promise<void> {
    return this.#answer(id, "approved", (run, tail) => approvalItems(run, tail, options));
  }

  /** Answers calls that the run asks for with a rejection, which the model is told. */
  reject(id: RunId, options: RejectOptions = {}): Promise<void> {
    return this.#answer(id, "rejected", (run, tail) => rejectionItems(run, tail, options));
  }

  async #answer(
    id: RunId,
    did: string,
    itemsOf: (run: Run, tail: readonly Item[]) => readonly NewItem[],
  ): Promise<void> {
    const { ledger, ids } = this.#options;
    const { run } = await this.get(id);
    if (run.status !== "waiting") throw notPossible(run.id, run.status, did);
    if (run.reason === "paused" && did !== "resumed") {
      throw notPossible(run.id, "paused", `${did} before it is resumed`);
    }
    const tail = await this.#tail(run);
    const make = () => placeItems(run, itemsOf(run, tail), ids.now());
    const items = await this.#orDone(run, make, isWordOn);
    const reply = await ledger.resume(id, newOperationId(ids), { length: run.items, items });
    await this.#enqueueAfter(did, id, reply);
  }

  /** A call that was answered before, maybe by the same request, is no mistake in this one: `not_possible`. */
  async #orDone<Value>(
    run: Run,
    make: () => Value,
    isAnswer: (part: Part, callId: string) => boolean,
  ): Promise<Value> {
    try {
      return make();
    } catch (error) {
      const callId = error instanceof BatonError ? error.fields.callId : undefined;
      if (typeof callId !== "string" || !(await hasPart(this, run, (part) => isAnswer(part, callId))))
        throw error;
      throw new BatonError("not_possible", `the call ${callId} of run ${run.id} has its answer already`, {
        cause: error,
        fields: { runId: run.id, callId },
      });
    }
  }

  /** Matching runs, newest first. */
  select(filter: RunFilter): AsyncGenerator<Run, void, void> {
    return selectRuns(this, filter);
  }

  /** One page of the matching runs, newest first, for bounded work. Throws `invalid_spec` for a cursor that no page gave. */
  page(query: RunPageQuery): Promise<RunPage> {
    return pageRuns(this.#options.ledger, query);
  }

  /** Why a run does not move, for people; undefined when there is nothing to say. */
  notice(run: Run): Promise<string | undefined> {
    return readNotice(this.#options.ledger, run);
  }

  /** Does `act` to all matching runs, several at once; tells of each, also when it was not possible. */
  each(filter: RunFilter, act: (id: RunId) => Promise<void>): AsyncGenerator<Done, void, void> {
    return eachRun(this, filter, act);
  }

  /** Every pool: what waits in it, who serves it, what bounds and holds it. */
  pools(): Promise<readonly PoolView[]> {
    return readPools(this.#options);
  }

  /** One of them. Throws `not_found` when nothing is known of it, unless that is all the same. */
  async pool(pool: ModelId, options: { readonly evenUnknown?: boolean } = {}): Promise<PoolView> {
    const view = await readPool(this.#options, pool, options);
    if (view !== undefined) return view;
    throw new BatonError(
      "not_found",
      `there is no pool ${pool}: no run was sent to it and nobody serves it`,
      {
        fields: { pool },
      },
    );
  }

  /** Those that beat within the last seconds. */
  workers(): Promise<readonly LiveWorker[]> {
    return listWorkers(this.#options.ledger.redis);
  }

  /** Stops a pool: no phase of it starts, and those at work wait after their current turn. */
  pausePool(pool: ModelId): Promise<void> {
    return this.#options.ledger.hold(pool, { kind: "paused" });
  }

  /** Sets what bounds a pool, for all workers at once; null clears a setting. Throws `invalid_config`. */
  setPool(pool: ModelId, patch: PoolSettingsPatch): Promise<void> {
    return this.#options.ledger.setPool(pool, patch);
  }

  /** Lets a paused pool go on; also ends what a rate limit held. */
  resumePool(pool: ModelId): Promise<void> {
    return this.#options.ledger.release(pool);
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
    const tail = await this.#tail(run);
    const make = () => inputItems(run, spec, tail, input, ids.now());
    const items = await this.#orDone(run, make, isResultOf);
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
    const retry: Retry = {
      op: newOperationId(ids),
      epoch: run.epoch,
      length: run.items,
      pool: options.model,
      timeoutMs: timeoutMsOf(spec),
      items,
    };
    const { admission } = options;
    const reply = await (admission === undefined
      ? ledger.retry(id, retry)
      : admission.admit((until) => ledger.retryUntil(id, retry, until)));
    await this.#enqueueAfter("retried", id, reply);
  }

  /** The record of the retry. What leaves the last turn behind closes the calls that are open in it. */
  async #retryItems(run: Run, options: RetryOptions): Promise<readonly NewItem[]> {
    const { model, input, attempts, budget } = options;
    const detail: Record<string, unknown> = { status: run.status };
    if (model !== undefined) detail.model = model;
    if (model !== undefined && model !== run.model) detail.instead = run.model;
    if (attempts !== undefined) detail.attempts = attempts;
    if (budget !== undefined) detail.budget = budget;
    if (run.status === "failed") detail.error = run.error;
    const items: NewItem[] = [{ role: "control", parts: [{ type: "record", act: "retry", detail }] }];
    if (input !== undefined || (model !== undefined && model !== run.model)) {
      items.push(...closingItems(openCalls(await this.#tail(run))));
    }
    if (input !== undefined) items.push(userItem(input));
    return items;
  }

  #tail(run: Run): Promise<readonly Item[]> {
    return readTail(run, (from, to) => this.conversation(run.id, from, to));
  }

  async #enqueueAfter(did: string, id: RunId, reply: ControlReply): Promise<void> {
    this.#demand(id, did, reply);
    if (reply.kind !== "done" || reply.entry === undefined) return;
    const glance = await this.#options.ledger.glance(id);
    const delayMs = Math.max(0, (glance?.notBefore ?? 0) - this.#options.ids.now());
    await this.#options.queues.enqueue(reply.entry, { priority: glance?.priority ?? 0, delayMs });
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

function isResultOf(part: Part, callId: string): boolean {
  return part.type === "tool_result" && part.callId === callId;
}

function isWordOn(part: Part, callId: string): boolean {
  if (part.type !== "record" || (part.act !== "approve" && part.act !== "reject")) return false;
  return callsIn(part).includes(callId);
}

function notPossible(id: RunId, status: string, did: string): BatonError {
  return new BatonError("not_possible", `run ${id} is ${status} and cannot be ${did} now`, {
    fields: { runId: id, status },
  });
}

/** Milliseconds from now until a run of this spec fails; 0 for never. */
export function timeoutMsOf(spec: RunSpec): number {
  return spec.timeout === undefined ? 0 : Math.ceil(spec.timeout * 1_000);
}

function notFound(id: RunId): BatonError {
  return new BatonError("not_found", `there is no run ${id}: it never was, or its retention has passed`, {
    fields: { runId: id },
  });
}
