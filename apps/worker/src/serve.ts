/**
 * The worker process: serves until SIGTERM or SIGINT, then drains. A second signal, or the deadline, hands what is
 * still at work back to the queue at once.
 */
import type { Config } from "@baton/core";
import type { Logger } from "pino";
import type { Environment } from "./environment.ts";
import type { Store } from "./open-store.ts";
import type { MetricsAddress } from "./signals/serve-metrics.ts";
import { type RunningWorker, startWorker } from "./start-worker.ts";
import { stopSignal } from "./stop-signal.ts";

export {
  adaptersOf,
  availableProviders,
  type RunningWorker,
  startWorker,
  toolSources,
} from "./start-worker.ts";

export interface ServeOptions {
  readonly environment: Environment;
  readonly config: Config;
  readonly store: Store;
  readonly patterns: readonly string[];
  readonly concurrency: number;
  readonly log: Logger;
  /** How long phases at work may take to end after the signal, in milliseconds. */
  readonly drainMs: number;
  /** Where metrics and probes are served; nowhere when it is absent. */
  readonly metrics?: MetricsAddress | undefined;
  readonly onReady: (worker: RunningWorker, urls: ServedUrls) => void;
  /** Absent: it hears of signals from its readiness on. */
  readonly stopping?: Stopping | undefined;
  /** What else of the process stops while the worker drains; at once when `hurry` aborts. */
  readonly onStopping?: (hurry: AbortSignal) => Promise<void>;
}

/** Told of a signal that stops a command, also of one that came while it started. */
export interface Stopping extends Disposable {
  /** Said when the start is over; resolves with the signal. */
  started(): Promise<NodeJS.Signals>;
}

export interface ServedUrls {
  /** Of metrics and probes, without a path. */
  readonly metrics?: string;
}

export async function serve(options: ServeOptions): Promise<void> {
  await using metrics = await openMetrics(options);
  const worker = await startWorker({ ...options, signals: metrics?.signals });
  metrics?.watch(() => worker.failing);
  metrics?.is("ready");
  // Whoever reads that it is ready may stop it at once.
  const stopping = options.stopping?.started() ?? stopSignal();
  options.onReady(worker, metrics === undefined ? {} : { metrics: metrics.url });
  const signal = await stopping;
  metrics?.is("draining");
  options.log.info({ signal, drainMs: options.drainMs }, "stopping: no new phases are taken");
  const hurry = new AbortController();
  const handBack = (): void => {
    hurry.abort();
    worker.handBack();
  };
  process.on("SIGTERM", handBack);
  process.on("SIGINT", handBack);
  try {
    await Promise.all([worker.stop(options.drainMs), options.onStopping?.(hurry.signal)]);
  } finally {
    process.off("SIGTERM", handBack);
    process.off("SIGINT", handBack);
  }
}

/** Loaded only when it is asked for: the meters are a library of their own. */
async function openMetrics({ metrics, store }: ServeOptions) {
  if (metrics === undefined) return undefined;
  const { serveMetrics } = await import("./signals/serve-metrics.ts");
  return serveMetrics(store, metrics);
}
