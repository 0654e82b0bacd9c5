/** Where `baton api` and `baton up` listen, and how they start an API on the command's store. */
import { join } from "node:path";
import { type RunningApi, startApi } from "@baton/api";
import type { Doorway } from "@baton/api/doorway";
import { systemIds, VERSION } from "@baton/worker-app";
import type { LocalContext } from "./command-context.ts";
import { workerLog } from "./worker-log.ts";

export interface ApiFlags {
  readonly host: string;
  readonly port: number;
  readonly awaitKey?: boolean;
}

export function startCommandApi(
  context: LocalContext,
  { host, port, awaitKey }: ApiFlags,
  doorway: Doorway,
): Promise<RunningApi> {
  const { store, config, environment } = context;
  return startApi({
    store,
    service: store.producer,
    config,
    log: workerLog(environment),
    version: VERSION,
    now: systemIds.now,
    uploadFolder: join(environment.dataDir, "uploads"),
    host,
    port,
    awaitKey,
    doorway,
  });
}
