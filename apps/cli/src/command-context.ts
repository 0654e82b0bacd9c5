/**
 * What commands share: the environment, the configuration, and Redis. Without `BATON_REDIS_URL` a command uses
 * the Redis of the data folder: it attaches to the one that runs, or starts it and stops it at its end.
 */
import { type Config, toBatonError } from "@baton/core";
import { startRedis } from "@baton/redis-embedded";
import { describeUrl } from "@baton/store";
import {
  type Environment,
  loadConfig,
  openStore,
  readEnvironment,
  type Store,
  systemIds,
} from "@baton/worker-app";
import { type DestinationStream, pino } from "pino";
import { loggedError } from "./log-error.ts";
import { clean, openTerminal, type Terminal } from "./terminal.ts";

export interface CommandContext extends AsyncDisposable {
  readonly environment: Environment;
  readonly config: Config;
  readonly terminal: Terminal;
  readonly store: Store;
  /** Where Redis answers, without a password. */
  readonly redis: string;
  /** Whether this process owns the Redis and will stop it. */
  readonly ownsRedis: boolean;
  /** A model's id, with a word when it is simulated. */
  readonly labelOf: (model: string) => string;
}

export async function openCommand(options: { readonly quiet?: boolean } = {}): Promise<CommandContext> {
  const environment = readEnvironment(process.env);
  const config = await loadConfig(environment.configPath, process.cwd());
  const terminal = openTerminal();
  const say = (line: string): void => {
    if (options.quiet !== true && process.stderr.isTTY) terminal.err(`${line}\n`);
  };
  const redis = await startRedis({ dataDir: environment.dataDir, env: environment.variables, log: say });
  let store: Store;
  try {
    store = await openStore({
      url: redis.url,
      shards: environment.shards,
      config,
      ids: systemIds,
      onError: onceEach(terminal),
    });
  } catch (error) {
    await redis.stop();
    throw toBatonError(error);
  }
  for (const warning of store.fitness.warnings) say(`warning: ${warning}`);
  return {
    environment,
    config,
    terminal,
    store,
    redis: describeUrl(redis.url),
    ownsRedis: redis.kind === "started" || redis.kind === "docker" || redis.kind === "adopted",
    labelOf: (model) =>
      config.providers[model.split("/")[0] ?? ""]?.simulated ? `${model} [simulated]` : model,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await redis.stop();
    },
  };
}

/** The log of a worker in this process: to standard error, so that standard output carries results alone. */
export function workerLog(
  { logLevel }: Pick<Environment, "logLevel">,
  level = logLevel,
  destination: DestinationStream = pino.destination({ fd: 2, sync: true }),
) {
  const serializers = { err: loggedError, error: loggedError };
  return pino({ level, base: { pid: process.pid }, serializers }, destination);
}

/** Connection errors come in bursts while Redis is away: each message is said once. */
function onceEach(terminal: Terminal): (error: Error) => void {
  const said = new Set<string>();
  return (error) => {
    if (said.has(error.message) || said.size > 20) return;
    said.add(error.message);
    terminal.err(`redis: ${clean(error.message)}\n`);
  };
}
