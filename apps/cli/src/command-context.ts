/**
 * What commands share: the environment, the configuration, and the runs. These are on Redis, or behind an HTTP API that
 * `--server` or `BATON_SERVER` names. Without either, and without `BATON_REDIS_URL`, a command uses the Redis of the data
 * folder: it attaches to the one that runs, or starts it and stops it at its end.
 */
import { BatonError, type Config, toBatonError } from "@baton/core";
import type { RunService } from "@baton/producer";
import type { RemoteProducer } from "@baton/producer/remote";
import { type Environment, loadConfig, readEnvironment, systemIds } from "@baton/worker-app";
import type { LocalStore } from "./local-store.ts";
import { clean, openTerminal, type Terminal } from "./terminal.ts";

interface CommonContext extends AsyncDisposable {
  readonly environment: Environment;
  readonly config: Config;
  readonly terminal: Terminal;
  readonly runs: RunService;
  /** A model's id, with a word when it is simulated. */
  readonly labelOf: (model: string) => string;
}

/** On Redis itself: what serves models, or an API, works on it alone. */
export interface LocalContext extends CommonContext, LocalStore {
  readonly at: "redis";
}

/** Behind an API: its workers serve the models. */
export interface ServerContext extends CommonContext {
  readonly at: "server";
  readonly runs: RemoteProducer;
}

export type CommandContext = LocalContext | ServerContext;

export interface OpenOptions {
  readonly quiet?: boolean;
}

export async function openCommand(options: OpenOptions = {}): Promise<CommandContext> {
  const environment = readEnvironment(process.env);
  return environment.server.url === undefined
    ? openOnRedis(environment, options)
    : openOnServer(environment, environment.server.url);
}

/** For commands that are refused where a server is named, as `program.ts` says. */
export function openLocal(options: OpenOptions = {}): Promise<LocalContext> {
  return openOnRedis(readEnvironment(process.env), options);
}

async function openOnRedis(environment: Environment, { quiet }: OpenOptions): Promise<LocalContext> {
  // Loaded here alone: who works through an API needs nothing of it.
  const { openLocalStore } = await import("./local-store.ts");
  const { config, terminal, labelOf } = await openCommon(environment);
  const say = (line: string): void => {
    if (quiet !== true && process.stderr.isTTY) terminal.err(`${line}\n`);
  };
  const local = await openLocalStore({ environment, config, say, onError: onceEach(terminal, "redis") });
  return { at: "redis", environment, config, terminal, labelOf, ...local, runs: local.store.producer };
}

async function openOnServer(environment: Environment, server: string): Promise<ServerContext> {
  const { RemoteProducer } = await import("@baton/producer/remote");
  const { config, terminal, labelOf } = await openCommon(environment);
  const { apiKey } = environment.server;
  const onError = onceEach(terminal, "server");
  try {
    const runs = await RemoteProducer.connect({ server, apiKey, ids: systemIds, onError });
    return {
      ...{ at: "server", environment, config, terminal, labelOf, runs },
      [Symbol.asyncDispose]: async () => undefined,
    };
  } catch (error) {
    throw toBatonError(error);
  }
}

async function openCommon(environment: Environment) {
  const config = await loadConfig(environment.configPath, process.cwd());
  const labelOf = (model: string): string =>
    config.providers[model.split("/")[0] ?? ""]?.simulated ? `${model} [simulated]` : model;
  return { config, terminal: openTerminal(), labelOf };
}

/** Errors come in bursts while Redis or the server is away: each is said once. */
function onceEach(terminal: Terminal, who: "redis" | "server"): (error: Error) => void {
  const said = new Set<string>();
  return (error) => {
    const what = error instanceof BatonError ? error.code : error.message;
    if (said.has(what) || said.size > 20) return;
    said.add(what);
    terminal.err(`${who}: ${clean(error.message)}\n`);
  };
}
