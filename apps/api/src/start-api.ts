/** Starts an API on a store: listens, and stops in order. */
import type { Config } from "@baton/core";
import { BatonError } from "@baton/core";
import type { RunService } from "@baton/producer";
import type { ConnectedStore } from "@baton/store";
import type { Logger } from "pino";
import { scopedRuns } from "./access/scoped-runs.ts";
import { buildApp } from "./build-app.ts";

export interface ApiOptions {
  readonly store: ConnectedStore;
  readonly service: RunService;
  readonly config: Config;
  readonly log: Logger;
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly checkAnswers?: boolean | undefined;
}

export interface RunningApi {
  /** Without a slash at its end. */
  readonly url: string;
  /** Answers what is under way, tells those who wait to come again, and closes within about `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
}

export async function startApi(options: ApiOptions): Promise<RunningApi> {
  const { store, service, config, now, host, port } = options;
  const stopping = new AbortController();
  const context = {
    store,
    service,
    config,
    now,
    stopping: stopping.signal,
    runsOf: (request: { readonly principal: Parameters<typeof scopedRuns>[1] }) =>
      scopedRuns(service, request.principal),
  };
  const app = await buildApp({ ...options, context });
  let url: string;
  try {
    url = await app.listen({ host, port });
  } catch (error) {
    await app.close();
    const why = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new BatonError(
      "invalid_config",
      `the API cannot listen at ${host}:${port} (${why}): choose another --port, or 0 for a free one`,
      { cause: error },
    );
  }
  return {
    url,
    async stop(deadlineMs) {
      stopping.abort(new Error("the API stops"));
      const cut = setTimeout(() => app.server.closeAllConnections(), deadlineMs);
      try {
        await app.close();
      } finally {
        clearTimeout(cut);
      }
    },
  };
}
