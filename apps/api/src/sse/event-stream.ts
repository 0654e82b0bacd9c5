/**
 * An answer as server-sent events, one reader's stream. Its promises:
 *
 * - It buffers little: a write resolves when the connection has room again, so whoever writes reads on only then.
 * - A reader that does not take a piece of 16 KB within `stallMs` is cut; it comes again with the last id that it saw.
 * - While nothing is written, a comment goes out every `heartbeatMs`, so that proxies and readers know it is alive.
 * - `gone` aborts when the reader is gone, for whatever reason: nothing may wait for a reader that is not there.
 */
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { FastifyReply } from "fastify";
import { isAnswered } from "../availability/answer-early.ts";

export interface StreamPace {
  readonly heartbeatMs: number;
  /** How long a reader may take nothing. */
  readonly stallMs: number;
}

export interface EventStreamOptions extends StreamPace {
  /** Sent with the headers that the app has set. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** For readers out there. */
export const STREAM_PACE: StreamPace = { heartbeatMs: 15_000, stallMs: 30_000 };

const PIECE_BYTES = 16 * 1024;

export class EventStream implements AsyncDisposable {
  readonly #response: ServerResponse;
  readonly #stallMs: number;
  readonly #gone = new AbortController();
  readonly #heartbeat: NodeJS.Timeout;
  #isWriting = false;

  private constructor(response: ServerResponse, { heartbeatMs, stallMs }: EventStreamOptions) {
    this.#response = response;
    this.#stallMs = stallMs;
    this.#heartbeat = setInterval(() => this.#beat(), heartbeatMs);
    response.once("close", () => this.#end("the reader is gone"));
    // Told by `close` as well; without a listener it would end the process.
    response.on("error", () => this.#end("the connection to the reader failed"));
  }

  /** Takes the answer over from the app; undefined when the request was answered meanwhile, or its caller is gone. */
  static open(reply: FastifyReply, options: EventStreamOptions): EventStream | undefined {
    if (isAnswered(reply) || reply.raw.destroyed) return undefined;
    reply.hijack();
    const { raw } = reply;
    const stream = new EventStream(raw, options);
    // Its end is the end of the stream, so that nobody waits for the next request at a server that stops.
    raw.shouldKeepAlive = false;
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      if (value !== undefined) raw.setHeader(name, value);
    }
    raw.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache, no-transform",
      // Tells nginx not to hold events back.
      "x-accel-buffering": "no",
      ...options.headers,
    });
    raw.flushHeaders();
    return stream;
  }

  /** Aborted when the reader is gone or was cut, and at the end. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Writes one or more whole events; resolves when there is room for more, or the reader is gone. One write at a time. */
  async write(frames: string): Promise<void> {
    this.#isWriting = true;
    try {
      const bytes = Buffer.from(frames);
      for (let from = 0; from < bytes.length && !this.gone.aborted; from += PIECE_BYTES) {
        const hasRoom = this.#response.write(bytes.subarray(from, from + PIECE_BYTES));
        if (!hasRoom) await this.#drained();
      }
    } finally {
      this.#isWriting = false;
    }
  }

  /** Ends the stream in order; what was written still goes out. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.gone.aborted) {
      const closed = once(this.gone, "abort");
      const late = setTimeout(() => this.#cut(), this.#stallMs);
      this.#response.end();
      await closed;
      clearTimeout(late);
    }
    clearInterval(this.#heartbeat);
  }

  async #drained(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    let isReady = false;
    const ready = (): void => {
      isReady = true;
      resolve();
    };
    this.#response.once("drain", ready);
    this.gone.addEventListener("abort", ready);
    // When this process was the one that stood still, timers come first and then the sockets: they get their turn.
    const late = setTimeout(() => {
      setImmediate(() => {
        if (!isReady) this.#cut();
      });
    }, this.#stallMs);
    if (!this.gone.aborted) await promise;
    clearTimeout(late);
    this.#response.off("drain", ready);
    this.gone.removeEventListener("abort", ready);
  }

  #beat(): void {
    // A reader that takes nothing is no reason to keep more for it.
    if (!this.#isWriting && !this.#response.writableNeedDrain) this.#response.write(":\n\n");
  }

  #cut(): void {
    this.#response.destroy();
  }

  #end(why: string): void {
    clearInterval(this.#heartbeat);
    this.#gone.abort(new Error(why));
  }
}
