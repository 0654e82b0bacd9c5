/** `baton worker` and `baton up`: serve model pools until a signal. */

import type { RunningApi } from "@baton/api";
import type { Doorway } from "@baton/api/doorway";
import { BatonError } from "@baton/core";
import { availableProviders, type Stopping, serve } from "@baton/worker-app/serve";
import { type ApiFlags, startCommandApi } from "../api-flags.ts";
import type { ServedApi } from "../at-door.ts";
import { type LocalContext, openLocal } from "../command-context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { readyScreen } from "../ready-screen.ts";
import { workerLog } from "../worker-log.ts";

export interface WorkerFlags {
  readonly model?: readonly string[];
  readonly concurrency: number;
  /** Seconds. */
  readonly drain: number;
  readonly metricsPort?: number;
  readonly metricsHost?: string;
  readonly json?: boolean;
}

/** Serves the given models. */
export async function worker(flags: WorkerFlags, stopping: Stopping): Promise<ExitCode> {
  await using context = await openLocal({ quiet: flags.json === true });
  return await serveModels(context, flags, stopping);
}

/** Everything in one process: the API, and workers for the given models, or those of every provider that has its key. */
export async function up(
  flags: WorkerFlags & ApiFlags,
  doorway: Doorway,
  stopping: Stopping,
  served: (api: ServedApi) => void,
): Promise<ExitCode> {
  await using context = await openLocal({ quiet: flags.json === true });
  const api = await startCommandApi(context, flags, doorway);
  served(api);
  try {
    return await serveModels(context, flags, stopping, api);
  } finally {
    // It has stopped already, but for a worker that could not start.
    await api.stop(0);
  }
}

async function serveModels(
  context: LocalContext,
  flags: WorkerFlags,
  stopping: Stopping,
  api?: RunningApi,
): Promise<ExitCode> {
  const { environment, config, store, terminal } = context;
  const patterns = flags.model ?? availableProviders(config, environment).map((name) => `${name}/*`);
  if (patterns.length === 0) {
    throw new BatonError(
      "missing_key",
      "there is no model to serve: set OPENAI_API_KEY, ANTHROPIC_API_KEY or XAI_API_KEY, or add a provider to the configuration",
    );
  }
  const port = flags.metricsPort ?? environment.metrics.port;
  const host = flags.metricsHost ?? environment.metrics.host;
  await serve({
    environment,
    config,
    store,
    patterns,
    concurrency: flags.concurrency,
    log: workerLog(environment),
    drainMs: flags.drain * 1_000,
    metrics: port === undefined ? undefined : { host, port },
    stopping,
    onStopping: async (hurry) => api?.stop(flags.drain * 1_000, hurry),
    onReady: (_worker, urls) => {
      if (flags.json === true) {
        const url = api === undefined ? {} : { url: api.url };
        const line = { ready: true, ...url, redis: context.redis, pools: patterns, ...urls };
        terminal.out(`${JSON.stringify(line)}\n`);
        return;
      }
      const models = patterns.map(context.labelOf);
      const what = api === undefined ? "The worker" : "Baton";
      const served = { what, api: api?.url, models, redis: context.redis, metrics: urls.metrics };
      terminal.out(readyScreen(served, terminal));
    },
  });
  return EXIT.done;
}
