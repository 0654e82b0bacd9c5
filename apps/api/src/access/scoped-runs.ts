/**
 * The runs and batches of one principal: a `RunService` that acts on those of its namespace alone. What is another's is
 * `not_found`, as if it were not there. This is the one place where namespaces are kept apart: no route has the service
 * behind it.
 *
 * A namespace's batch is `<namespace>/<id>` in the store. Whoever is bound to the namespace says and sees `<id>`; whoever
 * sees all says and sees the whole name.
 */
import { BatonError, type Run, type RunId } from "@baton/core";
import type { RunService } from "@baton/producer";
import type { Principal } from "./principal.ts";

export function scopedRuns(service: RunService, { namespace }: Pick<Principal, "namespace">): RunService {
  return namespace === undefined ? service : new NamespacedRuns(service, namespace);
}

type Arguments<Name extends keyof RunService> = Parameters<RunService[Name]>;

class NamespacedRuns implements RunService {
  readonly #service: RunService;
  readonly #namespace: string;

  constructor(service: RunService, namespace: string) {
    this.#service = service;
    this.#namespace = namespace;
  }

  submit(...[spec, options]: Arguments<"submit">) {
    return this.#service.submit(spec, this.#placed(options));
  }

  async fork(...[id, options]: Arguments<"fork">) {
    await this.#demand(id);
    return this.#service.fork(id, this.#placed(options));
  }

  async get(...[id]: Arguments<"get">) {
    // First: of another's run not even that it cannot be read, or how long that takes, is told.
    await this.#demand(id);
    const found = await this.#service.get(id);
    return { ...found, run: this.#own(found.run) };
  }

  async ownerOf(...[id]: Arguments<"ownerOf">) {
    await this.#demand(id);
    return this.#namespace;
  }

  async *select(...[filter]: Arguments<"select">): ReturnType<RunService["select"]> {
    const batch = filter.batch === undefined ? undefined : this.#batch(filter.batch);
    for await (const run of this.#service.select({ ...filter, batch, namespace: this.#namespace })) {
      yield this.#own(run);
    }
  }

  async page(...[query]: Arguments<"page">) {
    const batch = query.batch === undefined ? undefined : this.#batch(query.batch);
    const page = await this.#service.page({ ...query, batch, namespace: this.#namespace });
    return { ...page, runs: page.runs.map((run) => this.#own(run)) };
  }

  async notice(...[run]: Arguments<"notice">) {
    await this.#demand(run.id);
    return this.#service.notice(run);
  }

  async conversation(...args: Arguments<"conversation">) {
    await this.#demand(args[0]);
    return this.#service.conversation(...args);
  }

  async *watch(...args: Arguments<"watch">): ReturnType<RunService["watch"]> {
    await this.#demand(args[0]);
    for await (const { id, event } of this.#service.watch(...args)) {
      yield { id, event: event.type === "snapshot" ? { ...event, run: this.#own(event.run) } : event };
    }
  }

  async untilSettled(...args: Arguments<"untilSettled">) {
    await this.#demand(args[0]);
    const found = await this.#service.untilSettled(...args);
    return { ...found, run: this.#own(found.run) };
  }

  async result(...args: Arguments<"result">) {
    await this.#demand(args[0]);
    return this.#service.result(...args);
  }

  async resultNow(...args: Arguments<"resultNow">) {
    await this.#demand(args[0]);
    return this.#service.resultNow(...args);
  }

  async cancel(...args: Arguments<"cancel">) {
    await this.#demand(args[0]);
    return this.#service.cancel(...args);
  }

  async pause(...args: Arguments<"pause">) {
    await this.#demand(args[0]);
    return this.#service.pause(...args);
  }

  async resume(...args: Arguments<"resume">) {
    await this.#demand(args[0]);
    return this.#service.resume(...args);
  }

  async retry(...args: Arguments<"retry">) {
    await this.#demand(args[0]);
    return this.#service.retry(...args);
  }

  async input(...args: Arguments<"input">) {
    await this.#demand(args[0]);
    return this.#service.input(...args);
  }

  async clientCalls(...args: Arguments<"clientCalls">) {
    await this.#demand(args[0]);
    return this.#service.clientCalls(...args);
  }

  async askedCalls(...args: Arguments<"askedCalls">) {
    await this.#demand(args[0]);
    return this.#service.askedCalls(...args);
  }

  async approve(...args: Arguments<"approve">) {
    await this.#demand(args[0]);
    return this.#service.approve(...args);
  }

  async reject(...args: Arguments<"reject">) {
    await this.#demand(args[0]);
    return this.#service.reject(...args);
  }

  async submitBatch(...[lines, options, signal]: Arguments<"submitBatch">) {
    const { onProgress } = options;
    const own = {
      ...options,
      id: this.#batch(options.id),
      namespace: this.#namespace,
      onProgress:
        onProgress && ((so: Parameters<typeof onProgress>[0]) => onProgress({ ...so, id: options.id })),
    };
    return { ...(await this.#service.submitBatch(lines, own, signal)), id: options.id };
  }

  async batch(...[id]: Arguments<"batch">) {
    return { ...(await this.#service.batch(this.#batch(id))), id };
  }

  async *batches(...[filter]: Arguments<"batches">): ReturnType<RunService["batches"]> {
    const { before } = filter ?? {};
    const own = {
      before: before && { ...before, id: this.#batch(before.id) },
      namespace: this.#namespace,
    };
    for await (const status of this.#service.batches(own)) {
      yield { ...status, id: this.#short(status.id) };
    }
  }

  async batchStatus(...[id]: Arguments<"batchStatus">) {
    return { ...(await this.#ofBatch(id, () => this.#service.batchStatus(this.#batch(id)))), id };
  }

  async *watchBatch(...[id, signal, everyMs]: Arguments<"watchBatch">): ReturnType<RunService["watchBatch"]> {
    await this.batchStatus(id);
    for await (const status of this.#service.watchBatch(this.#batch(id), signal, everyMs))
      yield { ...status, id };
  }

  async *batchResults(
    ...[id, options, signal]: Arguments<"batchResults">
  ): ReturnType<RunService["batchResults"]> {
    await this.batchStatus(id);
    yield* this.#service.batchResults(this.#batch(id), options, signal);
  }

  async *batchErrors(
    ...[id, options, signal]: Arguments<"batchErrors">
  ): ReturnType<RunService["batchErrors"]> {
    await this.batchStatus(id);
    yield* this.#service.batchErrors(this.#batch(id), options, signal);
  }

  setBatchBudget(...[id, budget]: Arguments<"setBatchBudget">) {
    return this.#service.setBatchBudget(this.#batch(id), budget);
  }

  async *changeBatch(
    ...[id, change, signal]: Arguments<"changeBatch">
  ): ReturnType<RunService["changeBatch"]> {
    yield* this.#service.changeBatch(this.#batch(id), change, signal);
  }

  async *cancelBatch(...[id, signal]: Arguments<"cancelBatch">): ReturnType<RunService["cancelBatch"]> {
    await this.batchStatus(id);
    yield* this.#service.cancelBatch(this.#batch(id), signal);
  }

  async *retryBatch(...[id, options, signal]: Arguments<"retryBatch">): ReturnType<RunService["retryBatch"]> {
    await this.batchStatus(id);
    yield* this.#service.retryBatch(this.#batch(id), options, signal);
  }

  // Pools belong to nobody: who may steer them is a matter of scopes.
  pools(...args: Arguments<"pools">) {
    return this.#service.pools(...args);
  }

  pool(...args: Arguments<"pool">) {
    return this.#service.pool(...args);
  }

  workers(...args: Arguments<"workers">) {
    return this.#service.workers(...args);
  }

  pausePool(...args: Arguments<"pausePool">) {
    return this.#service.pausePool(...args);
  }

  setPool(...args: Arguments<"setPool">) {
    return this.#service.setPool(...args);
  }

  resumePool(...args: Arguments<"resumePool">) {
    return this.#service.resumePool(...args);
  }

  async #demand(id: RunId): Promise<void> {
    if ((await this.#service.ownerOf(id)) !== this.#namespace) throw notFound(id);
  }

  /** Where a new run goes, whatever its submitter says. */
  #placed<
    Options extends { readonly batch?: { readonly id: string; readonly customId: string } | undefined },
  >(options: Options | undefined) {
    const batch = options?.batch && { ...options.batch, id: this.#batch(options.batch.id) };
    return { ...options, batch, namespace: this.#namespace };
  }

  #batch(id: string): string {
    // The name of another's batch would be a path out of the namespace.
    if (id.includes("/")) throw noBatch(id);
    return `${this.#namespace}/${id}`;
  }

  #short(id: string): string {
    return id.slice(this.#namespace.length + 1);
  }

  #own(run: Run): Run {
    return run.batch === undefined ? run : { ...run, batch: this.#short(run.batch) };
  }

  /** Says of a batch that is not there what the caller called it. */
  async #ofBatch<Value>(id: string, read: () => Promise<Value>): Promise<Value> {
    try {
      return await read();
    } catch (error) {
      if (error instanceof BatonError && error.code === "not_found") throw noBatch(id);
      throw error;
    }
  }
}

function notFound(id: RunId): BatonError {
  return new BatonError("not_found", `there is no run ${id}: it never was, or its retention has passed`, {
    fields: { runId: id },
  });
}

function noBatch(id: string): BatonError {
  return new BatonError("not_found", `there is no batch ${id}`);
}
