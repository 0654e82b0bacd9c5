/**
 * The runs and batches of one principal: a `RunService` that acts on those of its namespace alone. What is another's is
 * `not_found`, as if it were not there. This is the one place where namespaces are kept apart: no route has the producer
 * itself.
 */
import { BatonError, type RunId } from "@baton/core";
import type { RunService } from "@baton/producer";
import type { Principal } from "./principal.ts";

/** What of the service the API uses; it grows with the routes. */
export type ScopedRuns = Pick<
  RunService,
  "submit" | "get" | "select" | "conversation" | "watch" | "result" | "resultNow" | "cancel"
>;

export function scopedRuns(service: RunService, { namespace }: Principal): ScopedRuns {
  const demand = async (id: RunId): Promise<void> => {
    if (namespace === undefined) return;
    const { run } = await service.get(id);
    if (run.namespace !== namespace) throw notFound(id);
  };
  return {
    submit: (spec, options) =>
      service.submit(spec, { ...options, namespace: namespace ?? options?.namespace }),
    async get(id) {
      const found = await service.get(id);
      if (namespace !== undefined && found.run.namespace !== namespace) throw notFound(id);
      return found;
    },
    select: (filter) => service.select({ ...filter, namespace: namespace ?? filter.namespace }),
    async conversation(id, from, to) {
      await demand(id);
      return service.conversation(id, from, to);
    },
    async *watch(id, options, signal) {
      await demand(id);
      yield* service.watch(id, options, signal);
    },
    async result(id, signal, onWait) {
      await demand(id);
      return service.result(id, signal, onWait);
    },
    async resultNow(id) {
      await demand(id);
      return service.resultNow(id);
    },
    async cancel(id) {
      await demand(id);
      return service.cancel(id);
    },
  };
}

function notFound(id: RunId): BatonError {
  return new BatonError("not_found", `there is no run ${id}: it never was, or its retention has passed`, {
    fields: { runId: id },
  });
}
