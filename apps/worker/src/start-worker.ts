/** Wires a worker: model adapters, tool host, the worker itself; closed together, the tool host last. */
import { hostname } from "node:os";
import { type AdapterLookup, type Config, capabilitiesOf, type ModelId, newOperationId } from "@baton/core";
import { createAdapters, resolveProviders } from "@baton/providers";
import { createPrices } from "@baton/providers/prices";
import { createToolHost, type ServerSources, usableServers } from "@baton/tools";
import { ModelWorker, type Signals } from "@baton/worker";
import type { Logger } from "pino";
import { type Environment, systemIds } from "./environment.ts";
import type { Store } from "./open-store.ts";
import { joinSignals } from "./signals/join-signals.ts";
import { openTracing } from "./signals/tracing.ts";
import { VERSION } from "./version.ts";

export interface StartWorkerOptions {
  readonly environment: Environment;
  readonly config: Config;
  readonly store: Store;
  readonly patterns: readonly string[];
  readonly concurrency: number;
  readonly log: Logger;
  /** Meters, beside the traces that the environment may ask for. */
  readonly signals?: Signals | undefined;
}

export interface RunningWorker {
  readonly pools: readonly ModelId[];
  /** Pools whose claims Redis refuses, whatever the run. */
  readonly failing: readonly string[];
  /** Ends within about `deadlineMs`: what is not done by then is handed back to the queue. */
  stop(deadlineMs: number): Promise<void>;
  /** Hands what is at work back to the queue now. */
  handBack(): void;
}

export async function startWorker(options: StartWorkerOptions): Promise<RunningWorker> {
  const { environment, config, store, log } = options;
  const sources = toolSources(config, environment);
  const tools = createToolHost({
    ...sources,
    limits: {
      toolTimeoutMs: config.limits.toolTimeoutMs,
      toolResultCharsMax: config.limits.toolResultCharsMax,
    },
    onProblem: (problem) => log.warn(problem, "a tool server has a problem"),
  });
  const workerId = `${hostname()}-${process.pid}-${newOperationId(systemIds)}`;
  const tracing = await openTracing({
    variables: environment.variables,
    log,
    now: systemIds.now,
    version: VERSION,
    instanceId: workerId,
  });
  const worker = new ModelWorker({
    ledger: store.ledger,
    connection: store.connection,
    hub: store.hub,
    adapters: adaptersOf(config, environment),
    tools,
    price: createPrices(config.models, systemIds),
    config,
    capabilities: capabilitiesOf(config, usableServers(sources)),
    patterns: options.patterns,
    concurrency: options.concurrency,
    ids: systemIds,
    log,
    signals: heard(options.signals, tracing?.signals),
    identity: {
      workerId,
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
    await tracing?.close();
    throw error;
  }
  return {
    get pools() {
      return worker.pools;
    },
    get failing() {
      return worker.failing;
    },
    async stop(deadlineMs) {
      await worker.stop(deadlineMs);
      await tools.close();
      await tracing?.close();
    },
    handBack: () => worker.handBack(),
  };
}

/** One listener for the worker, out of those that there are. */
function heard(meters: Signals | undefined, tracer: Signals | undefined): Signals | undefined {
  if (meters === undefined || tracer === undefined) return meters ?? tracer;
  return joinSignals(meters, tracer);
}

/** Where the tools of this configuration come from. */
export function toolSources(
  config: Config,
  environment: Environment,
): ServerSources & { readonly functions: Config["tools"] } {
  return {
    servers: config.mcpServers,
    functions: config.tools,
    env: environment.variables,
    allowPrivateAddresses: config.allowPrivateAddresses,
  };
}

/** Names of the providers that can be called: those that take no key, or have theirs. */
export function availableProviders(config: Config, environment: Environment): readonly string[] {
  return Object.entries(resolveProviders(config.providers, environment.variables))
    .filter(
      ([, provider]) =>
        (provider.apiKeyName === undefined || provider.apiKey !== undefined) && !provider.missing,
    )
    .map(([name]) => name)
    .sort();
}

/** The adapters of the configured providers; looking up one without its key throws `missing_key`. */
export function adaptersOf(config: Config, environment: Environment): AdapterLookup {
  return createAdapters({
    providers: resolveProviders(config.providers, environment.variables),
    limits: { modelIdleMs: config.limits.modelIdleMs, modelCallMs: config.limits.modelCallMs },
  });
}
