/**
 * The worker process: serves until SIGTERM or SIGINT, then drains. A second signal, or the deadline, hands what is
 * still at work back to the queue at once.
 */
import type { Config } from "@baton/core";
import type { Logger } from "pino";
import type { Environment } from "./environment.ts";
import type { Store } from "./open-store.ts";
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
  readonly onReady: (worker: RunningWorker) => void;
}

export async function serve(options: ServeOptions): Promise<void> {
  const worker = await startWorker(options);
  options.onReady(worker);
  const signal = await stopSignal();
  options.log.info({ signal, drainMs: options.drainMs }, "stopping: no new phases are taken");
  const handBack = (): void => worker.handBack();
  process.on("SIGTERM", handBack);
  process.on("SIGINT", handBack);
  try {
    await worker.stop(options.drainMs);
  } finally {
    process.off("SIGTERM", handBack);
    process.off("SIGINT", handBack);
  }
}
