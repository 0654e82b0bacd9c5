/**
 * A worker in this process, for commands that should not need another terminal: it serves the models of a run
 * that no live worker serves.
 */
import { BatonError, type ModelId, matchesModelPattern, modelsOf, needsOf, type RunSpec } from "@baton/core";
import { listWorkers } from "@baton/store";
import { checkSelection } from "@baton/tools";
import { adaptersOf, type RunningWorker, startWorker } from "@baton/worker-app";
import { type CommandContext, workerLog } from "./command-context.ts";

const CONCURRENCY = 10;

/** Starts a worker for the models of `spec` that are served nowhere; undefined when all are. */
export async function serveHere(context: CommandContext, spec: RunSpec): Promise<RunningWorker | undefined> {
  const unserved = await unservedModels(context, spec);
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
export async function demandRunnable(context: CommandContext, spec: RunSpec): Promise<void> {
  const unserved = await unservedModels(context, spec);
  const adapters = adaptersOf(context.config, context.environment);
  for (const model of unserved) adapters(model);
  if (unserved.length === 0) return;
  const servers = needsOf(spec).flatMap((need) =>
    need.startsWith("server:") ? [need.slice("server:".length)] : [],
  );
  const [problem] = checkSelection(servers, context.config.mcpServers, context.environment.variables);
  if (problem !== undefined) throw new BatonError(problem.code, problem.message);
}

async function unservedModels(context: CommandContext, spec: RunSpec): Promise<readonly ModelId[]> {
  const workers = await listWorkers(context.store.connection);
  const patterns = workers.flatMap((worker) => worker.patterns);
  const models = [...new Set(modelsOf(spec).map((entry) => entry.model))];
  return models.filter((model) => !patterns.some((pattern) => matchesModelPattern(pattern, model)));
}
