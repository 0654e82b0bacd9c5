/**
 * Answers that were said to their end, and are on their way: between the last word of whoever answers and the last byte that
 * the reader takes, which may be long for a large answer on a slow line.
 *
 * - L1: A reader that takes nothing of the rest for too long is cut: it holds the answer, and one of the connections. Those
 *   who write bit by bit see to it themselves until they have ended.
 * - L2: Node takes a connection for idle as soon as its answer was said, and would cut the rest off when it closes idle
 *   ones. So they are closed only while nothing is on its way.
 * - L3: A client that asks one thing after another has sent its next request when its connection looks idle, and would not
 *   know whether it was heard. So for a moment all that come are told that their connection ends behind their answer.
 */
import type { Server, ServerResponse } from "node:http";
import { STALL_MS_MAX } from "../hardening/server-bounds.ts";

/** From an answer to the next request of a client that is busy. */
const NEXT_REQUEST_MS_MAX = 100;

export class LastBytes {
  readonly #server: Server;
  readonly #onTheirWay = new Set<ServerResponse>();
  #closing: "not" | "soon" | "now" = "not";

  /** Watches from the next request on. */
  constructor(server: Server, stallMsMax = STALL_MS_MAX) {
    this.#server = server;
    server.on("request", (_request, response: ServerResponse) => {
      if (this.#closing !== "not") response.shouldKeepAlive = false;
      response.once("prefinish", () => {
        // Said to nobody: its reader had left before, which is told once.
        if (response.destroyed) return;
        this.#onTheirWay.add(response);
        // Runs anew with each part that is taken; without a listener its end cuts the connection.
        response.setTimeout(stallMsMax);
      });
      // Before Node's own listener, which sets the time for which a connection may be idle.
      response.prependOnceListener("finish", () => response.setTimeout(0));
      response.once("close", () => {
        this.#onTheirWay.delete(response);
        this.#closeIdle();
      });
    });
  }

  /** Closes each connection behind its answer, and those that are idle, until `closed`. */
  async closeIdle(closed: Promise<void>): Promise<void> {
    this.#closing = "soon";
    const timer = setTimeout(() => {
      this.#closing = "now";
      this.#closeIdle();
    }, NEXT_REQUEST_MS_MAX);
    await closed;
    clearTimeout(timer);
  }

  #closeIdle(): void {
    // The last one that is on its way comes here again.
    if (this.#closing === "now" && this.#onTheirWay.size === 0) this.#server.closeIdleConnections();
  }
}
