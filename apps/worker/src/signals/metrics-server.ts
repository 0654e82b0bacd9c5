/** A small HTTP server for metrics and probes alone. It is bounded, and ends with its process' work. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { BatonError } from "@baton/core";
import type { MetricsHandler } from "./metrics-handler.ts";

export interface MetricsServer extends AsyncDisposable {
  /** Without a path at its end. */
  readonly url: string;
}

const CONNECTIONS_MAX = 64;
const REQUEST_MS_MAX = 10_000;
const IDLE_MS_MAX = 30_000;

/** `port` 0 takes a free one. Throws `invalid_config` when the address cannot be had. */
export async function startMetricsServer(
  handler: MetricsHandler,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<MetricsServer> {
  const server = createServer(
    { requestTimeout: REQUEST_MS_MAX, headersTimeout: REQUEST_MS_MAX, keepAliveTimeout: IDLE_MS_MAX },
    (request, response) => {
      request.resume();
      void handler(request, response).then((isHandled) => {
        if (isHandled) return;
        response.writeHead(404, { "content-type": "text/plain; charset=utf-8" });
        response.end("GET /metrics, /healthz or /readyz\n");
      });
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  await listen(server, host, port);
  return {
    url: urlOf(server),
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (error) {
    const why = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new BatonError(
      "invalid_config",
      `metrics cannot be served at ${host}:${port} (${why}): choose another --metrics-port, or 0 for a free one`,
      { cause: error },
    );
  }
}

function urlOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP server has an address");
  const host = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return `http://${host}:${address.port}`;
}
