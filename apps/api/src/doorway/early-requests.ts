/**
 * Who comes while an API starts. Each waits for its answer, but not for ever: when nobody has come to give it in half a minute,
 * or the start has failed, it is told to come again, which clients do by themselves. Probes are answered at once, for they
 * ask about this very time: whoever starts is alive, and not ready.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";

/** More are told to come again at once. */
const WAITING_MAX = 1_000;
const WAIT_MS_MAX = 30_000;
const RETRY_AFTER_SECONDS = 1;

export class EarlyRequests {
  readonly #waiting = new Map<
    ServerResponse,
    { readonly request: IncomingMessage; readonly late: NodeJS.Timeout }
  >();
  readonly #waitMsMax: number;

  constructor(waitMsMax = WAIT_MS_MAX) {
    this.#waitMsMax = waitMsMax;
  }

  /** For a server's `request`. */
  readonly take: RequestListener = (request, response) => {
    const path = request.url?.split("?", 1)[0];
    if (path === "/healthz") return say(response, 200, "text/plain", "ok\n");
    if (path === "/readyz") return say(response, 503, "text/plain", "starting\n");
    if (this.#waiting.size >= WAITING_MAX) return refuse(request, response);
    const late = setTimeout(() => {
      this.#waiting.delete(response);
      refuse(request, response);
    }, this.#waitMsMax);
    this.#waiting.set(response, { request, late });
    // Whoever has left meanwhile waits no more.
    response.once("close", () => {
      clearTimeout(late);
      this.#waiting.delete(response);
    });
  };

  /** Those who wait, in the order in which they came; they do so no more. */
  giveTo(handler: RequestListener): void {
    const all = [...this.#waiting];
    this.#waiting.clear();
    for (const [response, { request, late }] of all) {
      clearTimeout(late);
      handler(request, response);
    }
  }

  /** Nobody comes to answer them. */
  refuse(): void {
    this.giveTo(refuse);
  }
}

function refuse(request: IncomingMessage, response: ServerResponse): void {
  const message = "the API is not ready, and did nothing of this: send it again in a moment";
  response.setHeader("retry-after", String(RETRY_AFTER_SECONDS));
  response.setHeader("connection", "close");
  say(response, 503, "application/json", JSON.stringify({ error: { code: "shutting_down", message } }));
  // Who still sends must come to its end to hear it.
  request.resume();
}

function say(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    "cache-control": "no-store",
    "content-type": `${type}; charset=utf-8`,
    "content-length": Buffer.byteLength(body),
  });
  response.end(body);
}
