/** Starts an API on a store: listens, and stops in order. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Config } from "@baton/core";
import { BatonError } from "@baton/core";
import type { RunService } from "@baton/producer";
import type { ConnectedStore } from "@baton/store";
import type { Logger } from "pino";
import { openGate } from "./access/gate.ts";
import { requestRuns } from "./access/request-runs.ts";
import { buildApp } from "./build-app.ts";
import { createFileUrlGuard } from "./hardening/file-urls.ts";
import { nameResolver } from "./hardening/resolve-name.ts";
import type { ServerBounds } from "./hardening/server-bounds.ts";
import { STREAM_PACE, type StreamPace } from "./sse/event-stream.ts";

export interface ApiOptions {
  readonly store: ConnectedStore;
  readonly service: RunService;
  readonly config: Config;
  readonly log: Logger;
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly host: string;
  /** At a public host, start before there is a key; see `openGate`. */
  readonly awaitKey?: boolean | undefined;
  /** 0 takes a free one. */
  readonly port: number;
  readonly checkAnswers?: boolean | undefined;
  /** Shorter times than people need. */
  readonly serverBounds?: ServerBounds | undefined;
  /** Where batch files are kept while they are checked; absent: in the system's folder for what is temporary. */
  readonly uploadFolder?: string | undefined;
  readonly streamPace?: StreamPace | undefined;
}

export interface RunningApi {
  /** Without a slash at its end. */
  readonly url: string;
  /**
   * Takes nothing new, answers what is under way, tells those who wait to come again, and closes within about
   * `deadlineMs`; at once when `hurry` aborts.
   */
  stop(deadlineMs: number, hurry?: AbortSignal): Promise<void>;
}

export async function startApi(options: ApiOptions): Promise<RunningApi> {
  const { store, service, config, now, host, awaitKey, port } = options;
  const stopping = new AbortController();
  const onError = (error: unknown) =>
    options.log.warn({ err: error }, "API keys or their limits could not be read");
  const files = config.allowPrivateAddresses
    ? undefined
    : createFileUrlGuard({ resolve: nameResolver(), now });
  const gate = await openGate({ store, host, awaitKey, now, onError });
  const context = {
    store,
    service,
    config,
    now,
    stopping: stopping.signal,
    random: Math.random,
    streamPace: options.streamPace ?? STREAM_PACE,
    files,
    uploadFolder: options.uploadFolder ?? join(tmpdir(), `baton-uploads-${process.pid}`),
    runsOf: requestRuns({ service, ledger: store.ledger, files, isKey: (id) => gate.ring.has(id) }),
  };
  const app = await buildApp({ ...options, context, gate }).catch(async (error: unknown) => {
    await gate[Symbol.asyncDispose]();
    throw error;
  });
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
  let closed: Promise<void> | undefined;
  return {
    url,
    async stop(deadlineMs, hurry) {
      stopping.abort(new Error("the API stops"));
      const cut = (): void => app.server.closeAllConnections();
      const late = setTimeout(cut, deadlineMs);
      hurry?.addEventListener("abort", cut, { once: true });
      if (hurry?.aborted) cut();
      try {
        closed ??= app.close();
        await closed;
      } finally {
        clearTimeout(late);
        hurry?.removeEventListener("abort", cut);
      }
    },
  };
}
