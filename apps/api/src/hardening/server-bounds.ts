/**
 * What a connection may take: of headers and URL, of time to send them and their body, of idle time between requests. Node
 * looks for those that are too slow every few seconds, and cuts them with a 408.
 */
import type { Server, ServerOptions } from "node:http";
import type { Config } from "@baton/core";
import type { FastifyHttpOptions, RawServerDefault } from "fastify";
import { onBrokenPath } from "./broken-requests.ts";

/** Of all headers together, and the URL with them. */
const HEADER_BYTES_MAX = 16_384;
const HEADERS_MAX = 100;
/** From the connection, or the request before, to the last header. */
const HEADERS_MS_MAX = 15_000;
/** To the last byte of the body: a large file on a slow line comes in this time. */
const REQUEST_MS_MAX = 120_000;
const IDLE_MS_MAX = 65_000;
const LOOK_EVERY_MS = 5_000;
/**
 * How long a reader may take nothing of an answer. One that is stopped in a debugger, or sleeps with its lid closed, is not
 * worth a connection for longer.
 */
export const STALL_MS_MAX = 120_000;
/** The longest is a model's id in a path. */
const PARAMETER_CHARS_MAX = 512;

/** Shorter times, for tests. */
export interface ServerBounds {
  readonly headersMsMax?: number | undefined;
  readonly requestMsMax?: number | undefined;
  readonly lookEveryMs?: number | undefined;
  /** How long a reader may take nothing of an answer that was said to its end. */
  readonly stallMsMax?: number | undefined;
}

/** What a server is made with. */
export function httpOptions({ lookEveryMs = LOOK_EVERY_MS }: ServerBounds = {}): ServerOptions {
  return {
    maxHeaderSize: HEADER_BYTES_MAX,
    connectionsCheckingInterval: lookEveryMs,
    // Whoever asks without one is told so by a hook, in our words.
    requireHostHeader: false,
  };
}

/** Bounds that a server has when it is made, and no option sets. */
export function boundServer(
  server: Server,
  connectionsMax: number,
  { headersMsMax = HEADERS_MS_MAX, requestMsMax = REQUEST_MS_MAX }: ServerBounds = {},
): void {
  server.headersTimeout = Math.min(headersMsMax, requestMsMax);
  server.requestTimeout = requestMsMax;
  server.keepAliveTimeout = IDLE_MS_MAX;
  server.maxHeadersCount = HEADERS_MAX;
  server.maxConnections = connectionsMax;
}

/** What Fastify bounds, and whom it believes. */
export function appOptions(api: Config["api"]): FastifyHttpOptions<RawServerDefault> {
  return {
    bodyLimit: api.bodyBytesMax,
    routerOptions: { maxParamLength: PARAMETER_CHARS_MAX },
    trustProxy: trustOf(api.trustProxy),
    frameworkErrors: onBrokenPath,
  };
}

function trustOf(trustProxy: Config["api"]["trustProxy"]) {
  if (trustProxy === undefined) return false;
  if (typeof trustProxy !== "number") return [...trustProxy];
  return (_address: string, hop: number): boolean => hop < trustProxy;
}
