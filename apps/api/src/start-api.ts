/** Starts an API on a store: listens, and stops in order. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Config } from "@baton/core";
import type { RunService } from "@baton/producer";
import type { ConnectedStore } from "@baton/store";
import type { Logger } from "pino";
import { openGate } from "./access/gate.ts";
import { requestRuns } from "./access/request-runs.ts";
import { DiskLane } from "./batches/disk-lane.ts";
import { tryFolder } from "./batches/spool.ts";
import { buildApp } from "./build-app.ts";
import type { Doorway } from "./doorway/doorway.ts";
import { openApiDoorway } from "./doorway/open-api-doorway.ts";
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
  /** Where it listens already, at `host`; the API closes it. */
  readonly doorway?: Doorway | undefined;
  /** Shorter times than people need; of a doorway that is its own. */
  readonly serverBounds?: ServerBounds | undefined;
  /** Where batch files are kept while they are checked; absent: in the system's folder for what is temporary. */
  readonly uploadFolder?: string | undefined;
  /** Another one, for tests. */
  readonly uploadLane?: DiskLane | undefined;
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
  /** The disk of the uploads holds a thread of this process, which then cannot end by itself. */
  readonly isHeldByDisk: boolean;
}

/** Throws `invalid_config` when it may not listen there, or cannot. */
export async function startApi(options: ApiOptions): Promise<RunningApi> {
  const { host, port, serverBounds: bounds } = options;
  const doorway = options.doorway ?? (await openApiDoorway({ host, port, bounds }));
  try {
    return await openApi(options, doorway);
  } catch (error) {
    await doorway[Symbol.asyncDispose]();
    throw error;
  }
}

/** Answers at a doorway, first those who wait there. */
async function openApi(options: ApiOptions, doorway: Doorway): Promise<RunningApi> {
  const { store, service, config, log, now, host, awaitKey } = options;
  const stopping = new AbortController();
  const onError = (error: unknown) => log.warn({ err: error }, "API keys or their limits could not be read");
  const files = config.allowPrivateAddresses
    ? undefined
    : createFileUrlGuard({ resolve: nameResolver(), now });
  const uploads = {
    folder: options.uploadFolder ?? join(tmpdir(), `baton-uploads-${process.pid}`),
    lane: options.uploadLane ?? new DiskLane(),
  };
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
    uploads,
    runsOf: requestRuns({ service, ledger: store.ledger, files, isKey: (id) => gate.ring.has(id) }),
  };
  const app = await buildApp({ ...options, context, doorway, gate }).catch(async (error: unknown) => {
    await gate[Symbol.asyncDispose]();
    throw error;
  });
  await app.ready();
  // All but uploads works without it, so it is said, and hinders nothing.
  if (options.uploadFolder !== undefined) {
    await tryFolder(uploads).catch((error: unknown) => {
      log.warn({ err: error }, "no batch file can be uploaded to this API");
    });
  }
  doorway.open(app.routing, config.api.connectionsMax);
  log.debug({ url: doorway.url }, "the API is open");
  let closed: Promise<void> | undefined;
  return {
    url: doorway.url,
    get isHeldByDisk() {
      return uploads.lane.isSilent;
    },
    async stop(deadlineMs, hurry) {
      stopping.abort(new Error("the API stops"));
      const cut = (): void => doorway.cut();
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
