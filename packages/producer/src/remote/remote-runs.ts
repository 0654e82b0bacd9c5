/** Runs through the API: the same calls as those of a producer on Redis. */
import {
  BatonError,
  formatTraceParent,
  type Item,
  isTerminal,
  itemOfWire,
  parseRunSpec,
  parseTraceParent,
  type Run,
  type RunId,
  type RunResult,
  type StampedEvent,
  type ToolCallPart,
  wireItemSchema,
  wireRunSchema,
} from "@baton/core";
import type { RunWithSpec, WatchOptions } from "@baton/store";
import { z } from "zod";
import { type ApprovalOptions, askedCalls, type RejectOptions } from "../approvals.ts";
import { readTail } from "../conversation-tail.ts";
import type { ForkOptions } from "../fork-run.ts";
import { type RunFilter, type RunPage, type RunPageQuery, selectRuns } from "../page-runs.ts";
import type { SubmitOptions, Submitted, WaitingRun } from "../producer.ts";
import type { ResumeOptions, RetryOptions } from "../run-control.ts";
import { clientCallsOf, openCalls, parseRunInput } from "../run-input.ts";
import { ACTS, type Act, actOnce } from "./lost-answer.ts";
import { type RunView, resultOfView, runOfView, runViewSchema, submittedRunSchema } from "./run-view.ts";
import type { ServerClient } from "./server-client.ts";
import { unreadable } from "./server-errors.ts";
import type { Query } from "./server-url.ts";
import { watchRemote } from "./watch-remote.ts";

export interface RemoteOptions {
  readonly client: ServerClient;
  /** Random bytes, for idempotency keys. */
  readonly random: (size: number) => Uint8Array;
}

const pageSchema = z.object({ data: z.array(wireRunSchema), next_cursor: z.string().nullable() });
const conversationSchema = z.object({ data: z.array(wireItemSchema), next_from: z.int().nullable() });

const PAGE_MAX = 200;
const WAIT_SECONDS = 30;
/** What can stand in a header as it is. */
const HEADER_TEXT = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

export class RemoteRuns {
  readonly #client: ServerClient;
  readonly #random: RemoteOptions["random"];

  constructor({ client, random }: RemoteOptions) {
    this.#client = client;
    this.#random = random;
  }

  async submit(spec: unknown, options: SubmitOptions = {}): Promise<Submitted> {
    // Told here what would be told there: the same error, for less.
    parseRunSpec(spec);
    return this.#create("/v1/runs", spec, options);
  }

  fork(id: RunId, options: ForkOptions & SubmitOptions & ResumeOptions = {}): Promise<Submitted> {
    const { at, model, input, budget } = options;
    return this.#create(`/v1/runs/${id}/fork`, { at, model, input, budget }, options);
  }

  /** With a key, so that sending it again makes no second run. A place in a batch is one already. */
  async #create(path: string, body: unknown, options: SubmitOptions): Promise<Submitted> {
    const { batch, trace, namespace, continues } = options;
    if (namespace !== undefined || continues !== undefined || batch?.admit !== undefined) {
      throw new BatonError(
        "unsupported",
        "the API takes no namespace (it is that of the API key), no run to continue, and no admission of single runs",
      );
    }
    const parent = trace === undefined ? undefined : parseTraceParent(trace);
    const { id, created } = await this.#client.json(
      {
        method: "POST",
        path,
        query: { batch: batch?.id, custom_id: batch?.customId },
        headers: {
          "idempotency-key": this.#keyOf(options),
          traceparent: parent === undefined ? undefined : formatTraceParent(parent),
        },
        body,
      },
      submittedRunSchema,
    );
    return { runId: id, created };
  }

  #keyOf({ idempotencyKey, batch }: SubmitOptions): string | undefined {
    if (idempotencyKey === undefined) {
      return batch === undefined ? Buffer.from(this.#random(18)).toString("base64url") : undefined;
    }
    if (HEADER_TEXT.test(idempotencyKey)) return idempotencyKey;
    throw new BatonError(
      "invalid_spec",
      "through the API an idempotency key is printable ASCII, without space at its ends",
    );
  }

  async get(id: RunId): Promise<RunWithSpec> {
    return foundIn(await this.#view(id));
  }

  async ownerOf(id: RunId): Promise<string | undefined> {
    return (await this.#view(id)).namespace;
  }

  async notice({ id }: Pick<Run, "id">): Promise<string | undefined> {
    return (await this.#view(id)).notice;
  }

  async resultNow(id: RunId): Promise<RunResult> {
    return resultOfView(await this.#view(id));
  }

  #view(id: RunId, waitSeconds = 0, signal?: AbortSignal): Promise<RunView> {
    const query: Query = waitSeconds === 0 ? {} : { wait: waitSeconds };
    const request = { method: "GET", path: `/v1/runs/${id}`, query, waitMs: waitSeconds * 1_000 } as const;
    return this.#client.json(request, runViewSchema, signal);
  }

  /** Matching runs, newest first. */
  select(filter: RunFilter): AsyncGenerator<Run, void, void> {
    return selectRuns(this, filter);
  }

  /** At most 200 runs, whatever the limit. */
  async page(query: RunPageQuery): Promise<RunPage> {
    const { status, batch, namespace, pool, error, reason, metadata = {}, limit, cursor } = query;
    if (namespace !== undefined) {
      throw new BatonError("unsupported", "through the API the namespace is that of the API key");
    }
    const filters = Object.entries(metadata).map(([name, value]) => [`metadata.${name}`, value] as const);
    const page = await this.#client.json(
      {
        method: "GET",
        path: "/v1/runs",
        query: {
          ...{ status, batch, model: pool, error, reason, cursor },
          ...Object.fromEntries(filters),
          limit: Math.min(PAGE_MAX, limit),
        },
      },
      pageSchema,
    );
    return { runs: page.data.map(runOfView), cursor: page.next_cursor ?? undefined };
  }

  /** Items of the conversation, from `from` to `to` inclusive; -1 is the last. */
  async conversation(id: RunId, from = 0, to = -1): Promise<readonly Item[]> {
    const end = to === -1 ? Number.POSITIVE_INFINITY : to < 0 ? (await this.get(id)).run.items + to : to;
    const items: Item[] = [];
    let next: number | null = from;
    while (next !== null && next <= end) {
      const page: z.infer<typeof conversationSchema> = await this.#client.json(
        {
          method: "GET",
          path: `/v1/runs/${id}/conversation`,
          query: { from: next, limit: Math.min(PAGE_MAX, end - next + 1) },
        },
        conversationSchema,
      );
      items.push(...page.data.map(itemOf));
      // Where a page leads to no other place, it would for ever.
      next = page.next_from !== null && page.next_from > next ? page.next_from : null;
    }
    return items;
  }

  watch(id: RunId, { after }: WatchOptions, signal: AbortSignal): AsyncGenerator<StampedEvent, void, void> {
    return watchRemote(this.#client, id, after, signal);
  }

  async untilSettled(id: RunId, signal: AbortSignal): Promise<RunWithSpec> {
    return foundIn(await this.#settled(id, signal));
  }

  async result(id: RunId, signal: AbortSignal, onWait?: (run: WaitingRun) => void): Promise<RunResult> {
    for (;;) {
      const view = await this.#settled(id, signal);
      const run = runOfView(view);
      if (isTerminal(run.status) || signal.aborted) return resultOfView(view);
      if (run.status !== "waiting") continue;
      onWait?.(run);
      await this.#untilWaitEnds(run, signal);
    }
  }

  /** The run when it is over or waits for an outside act, or as it is when the signal is aborted. */
  async #settled(id: RunId, signal: AbortSignal): Promise<RunView> {
    for (;;) {
      const view = await this.#view(id, WAIT_SECONDS, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
        return this.#view(id);
      });
      if (signal.aborted || view.status === "waiting" || isTerminal(view.status)) return view;
    }
  }

  /** Another wait of the same run has another epoch. */
  async #untilWaitEnds({ id, epoch }: WaitingRun, signal: AbortSignal): Promise<void> {
    for await (const { event } of this.watch(id, {}, signal)) {
      const run = event.type === "snapshot" ? event.run : event.type === "status" ? event : undefined;
      if (run !== undefined && (run.status !== "waiting" || run.epoch !== epoch)) return;
    }
  }

  cancel(id: RunId): Promise<void> {
    return this.#act(id, "cancel");
  }

  pause(id: RunId): Promise<void> {
    return this.#act(id, "pause");
  }

  resume(id: RunId, { budget }: ResumeOptions = {}): Promise<void> {
    return this.#act(id, "resume", { budget });
  }

  retry(id: RunId, { model, input, attempts, budget }: RetryOptions = {}): Promise<void> {
    return this.#act(id, "retry", { model, input, attempts, budget });
  }

  approve(id: RunId, { calls }: ApprovalOptions = {}): Promise<void> {
    return this.#act(id, "approve", { calls });
  }

  reject(id: RunId, { calls, reason }: RejectOptions = {}): Promise<void> {
    return this.#act(id, "reject", { calls, reason });
  }

  async input(id: RunId, value: unknown): Promise<void> {
    return this.#act(id, "input", parseRunInput(value));
  }

  #act(id: RunId, act: Act, body: object = {}): Promise<void> {
    const request = { method: "POST", path: `/v1/runs/${id}/${act}`, body } as const;
    const read = async () => (await this.get(id)).run;
    return actOnce(this.#client, request, z.object({ id: z.string() }), { read, isDone: ACTS[act] });
  }

  async clientCalls(id: RunId): Promise<readonly ToolCallPart[]> {
    const { run, spec } = await this.get(id);
    if (run.status !== "waiting" || run.reason !== "client_tools") return [];
    return clientCallsOf(spec, openCalls(await this.#tail(run)));
  }

  async askedCalls(id: RunId): Promise<readonly ToolCallPart[]> {
    const { run } = await this.get(id);
    if (run.status !== "waiting" || run.reason !== "approval") return [];
    return askedCalls(await this.#tail(run));
  }

  #tail(run: Run): Promise<readonly Item[]> {
    return readTail(run, (from, to) => this.conversation(run.id, from, to));
  }
}

function foundIn(view: RunView): RunWithSpec {
  return { run: runOfView(view), spec: view.spec };
}

function itemOf(wire: z.infer<typeof wireItemSchema>): Item {
  try {
    return itemOfWire(wire);
  } catch (error) {
    throw unreadable(`item ${wire.seq} of the conversation`, error);
  }
}
