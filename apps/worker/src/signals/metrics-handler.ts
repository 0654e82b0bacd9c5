/**
 * `GET /metrics`, `/healthz` and `/readyz`, for a server of node:http of its own or one that has other routes. Bodies
 * of requests are not read.
 *
 * `/healthz` answers as long as the process does. `/readyz` is 200 while the process takes work, and 503 with the
 * reason while it starts, drains, or cannot reach Redis.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Metrics } from "./metrics.ts";

export interface MetricsHandlerOptions {
  readonly metrics: Pick<Metrics, "contentType" | "text">;
  /** Why the process is not ready; undefined when it is. */
  readonly unready: () => Promise<string | undefined>;
}

/** Resolves with false, having done nothing, when the path is none of its own. It does not reject. */
export type MetricsHandler = (request: IncomingMessage, response: ServerResponse) => Promise<boolean>;

const PLAIN = "text/plain; charset=utf-8";

export function metricsHandler({ metrics, unready }: MetricsHandlerOptions): MetricsHandler {
  const answers: Readonly<Record<string, () => Promise<Answer>>> = {
    "/metrics": async () => ({ status: 200, type: metrics.contentType, body: await metrics.text() }),
    "/healthz": async () => ({ status: 200, type: PLAIN, body: "ok\n" }),
    "/readyz": async () => {
      const why = await unready();
      return why === undefined
        ? { status: 200, type: PLAIN, body: "ok\n" }
        : { status: 503, type: PLAIN, body: `${why}\n` };
    },
  };
  return async (request, response) => {
    const path = (request.url ?? "").split("?", 1)[0] ?? "";
    const answer = Object.hasOwn(answers, path) ? answers[path] : undefined;
    if (answer === undefined) return false;
    if (request.method !== "GET" && request.method !== "HEAD") {
      send(request, response, { status: 405, type: PLAIN, body: "use GET\n" });
      return true;
    }
    try {
      send(request, response, await answer());
    } catch {
      // What went wrong may quote anything; whoever scrapes learns that it did (R9).
      send(request, response, { status: 500, type: PLAIN, body: "the metrics could not be read\n" });
    }
    return true;
  };
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

function send(request: IncomingMessage, response: ServerResponse, { status, type, body }: Answer): void {
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    ...(status === 405 ? { allow: "GET, HEAD" } : {}),
  });
  response.end(request.method === "HEAD" ? undefined : body);
}
