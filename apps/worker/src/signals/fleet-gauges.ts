/** The gauges of what is true of the whole store: any process may be scraped for them, and all tell the same. */
import { type BucketUse, DIMENSIONS } from "@baton/store";
import { Counter, Gauge, type Registry } from "prom-client";
import type { Fleet } from "./read-fleet.ts";

export interface FleetGauges {
  /** Sets all of them anew; undefined: the store does not answer, and what is not known is not told. */
  readonly show: (fleet: Fleet | undefined) => void;
}

export function defineFleetGauges(registry: Registry): FleetGauges {
  const gauges = define(registry);
  return {
    show: (fleet) => {
      for (const gauge of Object.values(gauges)) gauge.reset();
      gauges.storeUp.set(fleet === undefined ? 0 : 1);
      if (fleet === undefined) return;
      gauges.liveWorkers.set({}, fleet.workers);
      for (const [status, count] of fleet.runs) gauges.runs.set({ status }, count);
      for (const [kind, count] of Object.entries(fleet.healed)) gauges.healed.inc({ kind }, count);
      if (fleet.passAgeMs !== undefined) gauges.passAge.set({}, fleet.passAgeMs / 1_000);
      for (const [pool, { load, admission, workers, places, held }] of fleet.pools) {
        const { oldestWaitMs, ...states } = load;
        const all = { ...states, ...admission };
        for (const [state, count] of Object.entries(all)) gauges.backlog.set({ pool, state }, count);
        gauges.oldestWait.set({ pool }, oldestWaitMs / 1_000);
        gauges.poolWorkers.set({ pool }, workers);
        gauges.places.set({ pool }, places);
        gauges.held.set({ pool }, held ? 1 : 0);
      }
      for (const bucket of fleet.limits) showLimits(gauges, bucket);
    },
  };
}

/** What has no limit has no headroom, and is left out. */
function showLimits(gauges: ReturnType<typeof define>, { name: bucket, calls, ...uses }: BucketUse): void {
  for (const dimension of DIMENSIONS) {
    const { limit, used, others, headroom } = uses[dimension];
    if (limit === undefined || headroom === undefined) continue;
    gauges.limit.set({ bucket, of: dimension }, limit);
    gauges.limitUsed.set({ bucket, of: dimension }, used + others);
    gauges.headroom.set({ bucket, of: dimension }, headroom);
  }
  if (calls.limit === undefined) return;
  gauges.limit.set({ bucket, of: "calls" }, calls.limit);
  gauges.limitUsed.set({ bucket, of: "calls" }, calls.underWay);
  gauges.headroom.set({ bucket, of: "calls" }, Math.max(0, calls.limit - calls.underWay));
}

function define(registry: Registry) {
  const registers = [registry];
  const gauge = <Label extends string>(name: string, help: string, labelNames: readonly Label[]) =>
    new Gauge({ name, help, labelNames, registers });
  return {
    storeUp: gauge("baton_store_up", "Whether Redis answered this scrape: 1 or 0.", []),
    backlog: gauge(
      "baton_backlog_runs",
      "Queue entries by pool (due: delayed ones whose time has come), and runs of batches: admission (they wait for an entry), later (their run_at has not come).",
      ["pool", "state"],
    ),
    oldestWait: gauge(
      "baton_oldest_wait_seconds",
      "For how long the entry that could be taken for longest has waited.",
      ["pool"],
    ),
    poolWorkers: gauge("baton_pool_workers", "Live workers that serve the pool.", ["pool"]),
    places: gauge("baton_pool_places", "Phases that its live workers can have at work at once.", ["pool"]),
    held: gauge("baton_pool_held", "1 while the pool is paused or slowed down by a rate limit.", ["pool"]),
    limit: gauge(
      "baton_provider_limit",
      "Limits of a provider's account, or of a model at it, by the minute; of calls: at once.",
      ["bucket", "of"],
    ),
    limitUsed: gauge("baton_provider_limit_used", "What is booked of it, and what others use.", [
      "bucket",
      "of",
    ]),
    headroom: gauge("baton_provider_limit_headroom", "What is left of it.", ["bucket", "of"]),
    // With labels that have no value yet, a gauge without samples is left out.
    liveWorkers: gauge<"of">("baton_workers", "Live worker processes.", ["of"]),
    runs: gauge("baton_runs", "Runs in the store, by status. Ended ones leave after their retention.", [
      "status",
    ]),
    healed: new Counter({
      name: "baton_healed_total",
      help: "What the reconciler healed, by kind, counted in Redis.",
      labelNames: ["kind"],
      registers,
    }),
    passAge: gauge<"of">("baton_reconciler_pass_age_seconds", "Since the reconciler's last pass.", ["of"]),
  };
}
