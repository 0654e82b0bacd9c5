/**
 * A worker in this process, for commands that should not need another terminal: it serves the models of a run
 * that no live worker serves.
 */
import { BatonError, type ModelId, needsOf, type RunSpec, toBatonError } from "@baton/core";
import { isServing, listWorkers } from "@baton/store";
import { checkSelection } from "@baton/tools";
import { adaptersOf, type RunningWorker, startWorker, toolSources } from "@baton/worker-app/serve";
import type { LocalContext } from "./command-context.ts";
import { modelsNamedBy } from "./served-models.ts";
import { workerLog } from "./worker-log.ts";

const CONCURRENCY = 10;

/** Starts a worker for the models of `spec` that are served nowhere; undefined when all are. */
export async function serveHere(
  context: LocalContext,
  spec: RunSpec,
  /** The model that the run is with now, which a retry may have chosen. */
  current?: ModelId,
): Promise<RunningWorker | undefined> {
  const unserved = await unservedModels(context, spec, current);
  if (unserved.length === 0) return undefined;
  return startWorker({
    environment: context.environment,
    config: context.config,
    store: context.store,
    patterns: unserved,
    concurrency: CONCURRENCY,
    log: workerLog(
      context.environment,
      context.environment.variables.BATON_LOG === undefined ? "error" : undefined,
    ),
  });
}

/** Throws the one line that helps when this process would have to run the spec and lacks a key or a server. */
export async function demandRunnable(context: LocalContext, spec: RunSpec): Promise<void> {
  const unserved = await unservedModels(context, spec);
  const adapters = adaptersOf(context.config, context.environment);
  for (const model of unserved) adapters(model);
  if (unserved.length === 0) return;
  const needs = needsOf(spec);
  const named = (kind: string) =>
    needs.flatMap((need) => (need.startsWith(kind) ? [need.slice(kind.length)] : []));
  const urls = (spec.mcp_servers ?? []).filter((server) => !needs.includes(`server:${server}`));
  const selection = { servers: [...named("server:"), ...urls], functions: named("function:") };
  const [problem] = checkSelection(selection, toolSources(context.config, context.environment));
  if (problem !== undefined) {
    throw new BatonError(
      problem.missing.length > 0 ? "missing_key" : "invalid_spec",
      `${problem.name} ${problem.message}`,
    );
  }
  for (const policy of named("policy:")) {
    if (context.config.policies[policy] === undefined) {
      throw new BatonError(
        "invalid_spec",
        `there is no policy ${policy}: add it under policies in the configuration`,
      );
    }
  }
}

/** Throws when no worker anywhere could be meant: a provider that neither this configuration nor a worker knows. */
export async function demandKnown(context: LocalContext, spec: RunSpec): Promise<void> {
  const adapters = adaptersOf(context.config, context.environment);
  for (const model of await unservedModels(context, spec)) {
    try {
      adapters(model);
    } catch (error) {
      // A key that is missing here may be there where the workers are.
      if (toBatonError(error).code !== "missing_key") throw error;
    }
  }
}

async function unservedModels(
  context: LocalContext,
  spec: RunSpec,
  current?: ModelId,
): Promise<readonly ModelId[]> {
  const workers = await listWorkers(context.store.connection);
  const models = new Set<ModelId>([...modelsNamedBy(spec), ...(current === undefined ? [] : [current])]);
  return [...models].filter((model) => !workers.some((worker) => isServing(worker, model)));
}
