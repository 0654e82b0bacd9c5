/** Where `baton api` and `baton up` listen, and how they start an API on the command's store. */
import { type RunningApi, startApi } from "@baton/api";
import { systemIds, VERSION } from "@baton/worker-app";
import { type CommandContext, workerLog } from "./command-context.ts";

export interface ApiFlags {
  readonly host: string;
  readonly port: number;
}

export function startCommandApi(context: CommandContext, { host, port }: ApiFlags): Promise<RunningApi> {
  const { store, config, environment } = context;
  return startApi({
    store,
    service: store.producer,
    config,
    log: workerLog(environment),
    version: VERSION,
    now: systemIds.now,
    host,
    port,
  });
}
