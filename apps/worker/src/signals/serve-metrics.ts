/** The meters of a worker process and the server that shows them: open before the worker starts, closed after it. */
import { setTimeout as delay } from "node:timers/promises";
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
}

const ANSWER_MS_MAX = 1_000;

/** Throws `invalid_config` when the address cannot be had. */
export async function serveMetrics(store: FleetSource, address: MetricsAddress): Promise<ServedMetrics> {
  const metrics = createMetrics({ store });
  let state: "starting" | "ready" | "draining" = "starting";
  const unready = async (): Promise<string | undefined> => {
    if (state !== "ready") return state;
    return (await answers(store)) ? undefined : "redis does not answer";
  };
  const server = await startMetricsServer(metricsHandler({ metrics, unready }), address);
  return {
    signals: metrics.signals,
    url: server.url,
    is: (now) => {
      state = now;
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** The connection waits as long as Redis is away; whoever asks is not kept waiting. */
async function answers({ connection }: FleetSource): Promise<boolean> {
  const late = new AbortController();
  const pong = connection.ping().then(
    () => true,
    () => false,
  );
  const first = await Promise.race([
    pong,
    delay(ANSWER_MS_MAX, false, { signal: late.signal }).catch(() => false),
  ]);
  late.abort();
  return first;
}
