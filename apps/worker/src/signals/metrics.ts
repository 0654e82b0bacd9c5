/**
 * The meters of one process: the hooks that its worker calls, and all of it as Prometheus text. `baton_…` metrics of
 * the store are read at the scrape; those of the process are counted as things happen. Node's own (event loop lag,
 * memory, garbage collection) come from prom-client.
 */
import type { Signals } from "@baton/worker";
import { collectDefaultMetrics, Registry } from "prom-client";
import { defineFleetGauges } from "./fleet-gauges.ts";
import { defineMeters } from "./meters.ts";
import { meterSignals } from "./phase-meter.ts";
import { createFleetReader, type FleetSource } from "./read-fleet.ts";

export interface Metrics {
  /** For a worker of this process, if it has one. */
  readonly signals: Signals;
  readonly contentType: string;
  readonly text: () => Promise<string>;
}

export interface MetricsOptions {
  readonly store: FleetSource;
  /** Milliseconds that only rise. */
  readonly clock?: () => number;
}

export function createMetrics({ store, clock = () => performance.now() }: MetricsOptions): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const signals = meterSignals(defineMeters(registry), clock);
  const gauges = defineFleetGauges(registry);
  const fleet = createFleetReader(store, clock);
  return {
    signals,
    contentType: registry.contentType,
    text: async () => {
      gauges.show(await fleet.read());
      return registry.metrics();
    },
  };
}
