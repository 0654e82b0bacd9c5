/**
 * What a connection may take: of headers and URL, of time to send them and their body, of idle time between requests. Node
 * looks for those that are too slow every few seconds, and cuts them with a 408.
 */
import type { Server } from "node:http";
import type { Config } from "@baton/core";
import type { FastifyHttpOptions, RawServerDefault } from "fastify";
import { onBrokenConnection, onBrokenPath, onOddExpectation } from "./broken-requests.ts";

/** Of all headers together, and the URL with them. */
const HEADER_BYTES_MAX = 16_384;
const HEADERS_MAX = 100;
/** From the connection, or the request before, to the last header. */
const HEADERS_MS_MAX = 15_000;
/** To the last byte of the body: a large file on a slow line comes in this time. */
const REQUEST_MS_MAX = 120_000;
const IDLE_MS_MAX = 65_000;
const LOOK_EVERY_MS = 5_000;
/** The longest is a model's id in a path. */
const PARAMETER_CHARS_MAX = 512;

export interface ServerBounds {
  readonly headersMsMax?: number | undefined;
  readonly requestMsMax?: number | undefined;
  readonly lookEveryMs?: number | undefined;
}

/** `bounds`: shorter times, for tests. */
export function serverOptions(
  api: Config["api"],
  bounds: ServerBounds = {},
): FastifyHttpOptions<RawServerDefault> {
  const {
    headersMsMax = HEADERS_MS_MAX,
    requestMsMax = REQUEST_MS_MAX,
    lookEveryMs = LOOK_EVERY_MS,
  } = bounds;
  return {
    bodyLimit: api.bodyBytesMax,
    requestTimeout: requestMsMax,
    keepAliveTimeout: IDLE_MS_MAX,
    routerOptions: { maxParamLength: PARAMETER_CHARS_MAX },
    http: {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: Math.min(headersMsMax, requestMsMax),
      connectionsCheckingInterval: lookEveryMs,
      // Whoever asks without one is told so by a hook, in our words.
      requireHostHeader: false,
    },
    trustProxy: trustOf(api.trustProxy),
    clientErrorHandler: onBrokenConnection,
    frameworkErrors: onBrokenPath,
  };
}

/** Bounds that a server has when it is made, and no option sets. */
export function boundServer(
  server: Pick<Server, "maxHeadersCount" | "maxConnections" | "on">,
  api: Config["api"],
): void {
  server.on("checkExpectation", onOddExpectation);
  server.maxHeadersCount = HEADERS_MAX;
  server.maxConnections = api.connectionsMax;
}

function trustOf(trustProxy: Config["api"]["trustProxy"]) {
  if (trustProxy === undefined) return false;
  if (typeof trustProxy !== "number") return [...trustProxy];
  return (_address: string, hop: number): boolean => hop < trustProxy;
}
