/** A counterexample in readable form: each step, and what Redis holds after it. */
import type { Counterexample } from "./explore.ts";
import { INVARIANTS, type Invariant } from "./invariants.ts";
import { type Item, NONE, type Redis, type State } from "./model.ts";
import { poolName } from "./step.ts";

export function printTrace(invariant: Invariant, { labels, states }: Counterexample): string {
  const lines = labels.map((label, index) => {
    const state = states[index + 1];
    return `${String(index + 1).padStart(3)}. ${label}\n       ${state === undefined ? "" : printState(state)}`;
  });
  const head = `${invariant} breaks: ${INVARIANTS[invariant]}`;
  const tail = invariant === "R4" || invariant === "end" ? "\n     … and from here on there is no way." : "";
  return `${head}\n${lines.join("\n")}${tail}`;
}

function printState({ redis, workers, saved }: State): string {
  const held = workers.flatMap((worker, index) =>
    worker.at === "session"
      ? [`worker ${index} c${worker.claim} e${worker.epoch} ${printLog(worker.view)}`]
      : [],
  );
  const disk = saved === undefined ? [] : [`on disk: ${printRedis(saved.redis)}`];
  return [printRedis(redis), ...held, ...disk].join(" | ");
}

function printRedis({ run, jobs }: Redis): string {
  const claim = run.claim === NONE ? "" : ` c${run.claim}`;
  const flags = `${run.pausing ? " pausing" : ""}${run.early ? " early" : ""}${run.place ? " in admission" : ""}`;
  const where = jobs.map(
    ({ pool, ticket, at }) => `${poolName(pool)}-${ticket}${typeof at === "number" ? `@${at}` : ` ${at}`}`,
  );
  const record = `${run.status}${flags} in ${poolName(run.pool)}, ticket ${run.ticket}, e${run.epoch}${claim}`;
  return `${record}, ${printLog(run.log)}, jobs {${where.join(", ")}}`;
}

function printLog(items: readonly Item[]): string {
  return `[${items.map((item) => `${item.kind}${item.id}`).join(" ")}]`;
}
