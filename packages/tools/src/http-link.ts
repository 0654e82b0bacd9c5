/**
 * The MCP transport over streamable HTTP: the SDK's, on a fetch of ours that guards addresses where the URL came
 * with a request, bounds what is received, and follows the exchanges of calls.
 */
import { retryAfter } from "@baton/core";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { boundBodies } from "./bounded-body.ts";
import { RESUME_ATTEMPTS_MAX, watchCalls } from "./call-watch.ts";
import { createGuardedFetch } from "./guarded-fetch.ts";
import { type HttpEndpoint, urlRules } from "./server-lookup.ts";

export interface HttpLink {
  readonly transport: StreamableHTTPClientTransport;
  /** How long the server asked to wait when it last refused something. */
  readonly retryAfterMs: () => number | undefined;
  /** Lets go of the connections that are kept; after the transport's own close. */
  readonly release: () => void;
}

export interface HttpLinkOptions {
  readonly allowPrivateAddresses: boolean;
  readonly messageBytesMax: number;
}

export function openHttpLink(endpoint: HttpEndpoint, options: HttpLinkOptions): HttpLink {
  const guarded = endpoint.guarded ? createGuardedFetch(urlRules(options.allowPrivateAddresses)) : undefined;
  let retryAfterMs: number | undefined;
  const bounded = boundBodies(guarded?.fetch ?? globalThis.fetch, options.messageBytesMax);
  const fetch = watchCalls(async (url, init) => {
    const response = await bounded(url, init);
    if (!response.ok) retryAfterMs = retryAfter(response.headers);
    return response;
  });
  const transport = new StreamableHTTPClientTransport(endpoint.url, {
    fetch,
    requestInit: { headers: { ...endpoint.headers } },
    reconnectionOptions: {
      initialReconnectionDelay: 1_000,
      maxReconnectionDelay: 30_000,
      reconnectionDelayGrowFactor: 1.5,
      maxRetries: RESUME_ATTEMPTS_MAX,
    },
  });
  return { transport, retryAfterMs: () => retryAfterMs, release: () => guarded?.close() };
}
