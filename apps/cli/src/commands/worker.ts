/** `baton worker` and `baton up`: serve model pools until a signal. */

import { BatonError } from "@baton/core";
import { availableProviders, serve } from "@baton/worker-app/serve";
import { openCommand, workerLog } from "../command-context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";

export interface WorkerFlags {
  readonly model?: readonly string[];
  readonly concurrency: number;
  /** Seconds. */
  readonly drain: number;
  readonly metricsPort?: number;
  readonly metricsHost?: string;
  readonly json?: boolean;
}

/** Serves the given models, or those of every provider that has its key. */
export async function worker(flags: WorkerFlags): Promise<ExitCode> {
  await using context = await openCommand({ quiet: flags.json === true });
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
    onReady: (_worker, urls) => {
      if (flags.json === true) {
        const line = { ready: true, redis: context.redis, pools: patterns, ...urls };
        terminal.out(`${JSON.stringify(line)}\n`);
        return;
      }
      terminal.out(
        `Serving ${patterns.map(context.labelOf).join(", ")} on ${context.redis}. Ctrl-C drains and stops.\n`,
      );
      if (urls.metrics !== undefined) terminal.out(`Metrics at ${urls.metrics}/metrics\n`);
    },
  });
  return EXIT.done;
}
