/** What routes work with; made once for an API, and closed by whoever made it. */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Config } from "@baton/core";
import type { RunService } from "@baton/producer";
import type { ConnectedStore } from "@baton/store";
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest, RawServerDefault } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { Principal } from "./access/principal.ts";
import type { SpoolPlace } from "./batches/spool.ts";
import type { FileUrlGuard } from "./hardening/file-urls.ts";
import type { StreamPace } from "./sse/event-stream.ts";

export interface ApiContext {
  /** All runs and batches, whoever they belong to: for `scopedRuns` and what concerns no run. */
  readonly service: RunService;
  readonly store: ConnectedStore;
  readonly config: Config;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Aborted when the API stops: whoever waits for a run ends then. */
  readonly stopping: AbortSignal;
  /** From 0 up to 1. */
  readonly random: () => number;
  /** Of event streams: their heartbeats, and how long a reader may take nothing. */
  readonly streamPace: StreamPace;
  /** What files of specs are held against; absent: they may come from anywhere. */
  readonly files: FileUrlGuard | undefined;
  /** Where batch files are kept while they are checked. */
  readonly uploads: SpoolPlace;
  /** The runs that the request's principal may see. */
  readonly runsOf: (request: FastifyRequest) => RunService;
}

/** An app whose routes have zod schemas. */
export type ApiApp = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

declare module "fastify" {
  interface FastifyRequest {
    principal: Principal;
  }
  interface FastifyContextConfig {
    /** What a caller's key must be allowed to; absent: anyone may call it, without a key. */
    scope?: "read" | "submit" | "operate";
    /** False for what has a scope and answers all the same while Redis is away. */
    needsRedis?: false;
  }
}
