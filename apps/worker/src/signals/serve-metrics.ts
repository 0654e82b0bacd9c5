/** The meters of a worker process and the server that shows them: open before the worker starts, closed after it. */
import { whyUnusable } from "@baton/store";
import type { Signals } from "@baton/worker";
import { createMetrics } from "./metrics.ts";
import { metricsHandler } from "./metrics-handler.ts";
import { startMetricsServer } from "./metrics-server.ts";
import type { FleetSource } from "./read-fleet.ts";

export interface MetricsAddress {
  readonly host: string;
  /** 0 for a free one. */
  readonly port: number;
}

export interface ServedMetrics extends AsyncDisposable {
  readonly signals: Signals;
  readonly url: string;
  /** Told by `/readyz`; a new one is `starting`. */
  readonly is: (state: "ready" | "draining") => void;
  /** Asked by `/readyz` once it is ready: the pools whose claims Redis refuses. */
  readonly watch: (failing: () => readonly string[]) => void;
}

const ANSWER_MS_MAX = 1_000;

/** Throws `invalid_config` when the address cannot be had. */
export async function serveMetrics(store: FleetSource, address: MetricsAddress): Promise<ServedMetrics> {
  const metrics = createMetrics({ store });
  let state: "starting" | "ready" | "draining" = "starting";
  let failing = (): readonly string[] => [];
  const unready = async (): Promise<string | undefined> => {
    if (state !== "ready") return state;
    const pools = failing();
    if (pools.length > 0) return `redis refuses the claims of ${pools.join(", ")}: the log says why`;
    return await whyUnusable(store.connection, ANSWER_MS_MAX);
  };
  const server = await startMetricsServer(metricsHandler({ metrics, unready }), address);
  return {
    signals: metrics.signals,
    url: server.url,
    is: (now) => {
      state = now;
    },
    watch: (read) => {
      failing = read;
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
