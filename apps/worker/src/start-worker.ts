/** Wires a worker: model adapters, tool host, the worker itself; closed together, the tool host last. */
import { hostname } from "node:os";
import { type AdapterLookup, type Config, capabilitiesOf, type ModelId, newOperationId } from "@baton/core";
import { createAdapters, resolveProviders } from "@baton/providers";
import { createToolHost, reachableServers } from "@baton/tools";
import { ModelWorker } from "@baton/worker";
import type { Logger } from "pino";
import { type Environment, systemIds } from "./environment.ts";
import type { Store } from "./open-store.ts";

export const VERSION = "0.1.0";

export interface StartWorkerOptions {
  readonly environment: Environment;
  readonly config: Config;
  readonly store: Store;
  readonly patterns: readonly string[];
  readonly concurrency: number;
  readonly log: Logger;
}

export interface RunningWorker {
  readonly pools: readonly ModelId[];
  /** Ends within about `deadlineMs`: what is not done by then is handed back to the queue. */
  stop(deadlineMs: number): Promise<void>;
  /** Hands what is at work back to the queue now. */
  handBack(): void;
}

export async function startWorker(options: StartWorkerOptions): Promise<RunningWorker> {
  const { environment, config, store, log } = options;
  const tools = createToolHost({
    servers: config.mcpServers,
    functions: config.tools,
    env: environment.variables,
    limits: {
      toolTimeoutMs: config.limits.toolTimeoutMs,
      toolResultCharsMax: config.limits.toolResultCharsMax,
    },
    allowPrivateAddresses: config.allowPrivateAddresses,
  });
  const worker = new ModelWorker({
    ledger: store.ledger,
    connection: store.connection,
    hub: store.hub,
    adapters: adaptersOf(config, environment),
    tools,
    config,
    capabilities: capabilitiesOf(config, reachableServers(config.mcpServers, environment.variables)),
    patterns: options.patterns,
    concurrency: options.concurrency,
    ids: systemIds,
    log,
    identity: {
      workerId: `${hostname()}-${process.pid}-${newOperationId(systemIds)}`,
      host: hostname(),
      pid: process.pid,
      version: VERSION,
    },
  });
  try {
    await worker.start();
  } catch (error) {
    await worker.stop(0);
    await tools.close();
    throw error;
  }
  return {
    get pools() {
      return worker.pools;
    },
    async stop(deadlineMs) {
      await worker.stop(deadlineMs);
      await tools.close();
    },
    handBack: () => worker.handBack(),
  };
}

/** The adapters of the configured providers; looking up one without its key throws `missing_key`. */
export function adaptersOf(config: Config, environment: Environment): AdapterLookup {
  return createAdapters({
    providers: resolveProviders(config.providers, environment.variables),
    limits: { modelIdleMs: config.limits.modelIdleMs, modelCallMs: config.limits.modelCallMs },
  });
}
