/**
 * Follows the HTTP exchanges of one tool call, since the SDK does not say when the stream that should carry the
 * answer is lost: without this, such a call would wait for its whole timeout.
 *
 * - A stream that ends without the answer, and cannot be resumed, is a loss. One that can (it sent event ids) is
 *   resumed by the SDK, and is lost when that has failed as often as the SDK tries.
 * - When the call is over, what it still has open is closed; after an answer the server gets a moment to end the
 *   stream itself, so that the connection can be used again.
 *
 * The exchanges of a call are known by the asynchronous context that they are started in.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { BatonError, retryAfter } from "@baton/core";
import type { FetchLike } from "@modelcontextprotocol/sdk/shared/transport.js";

export const RESUME_ATTEMPTS_MAX = 2;
/** From the end of a stream until the SDK has surely delivered what was in it. */
const DELIVERY_MS_MAX = 1_000;
const LINGER_MS_MAX = 5_000;

const watches = new AsyncLocalStorage<CallWatch>();

export class CallWatch {
  readonly #onLost: (fault?: BatonError) => void;
  readonly #abort = new AbortController();
  #sent = false;
  #settled = false;
  #resumable = false;
  #failedResumes = 0;
  #streams = 0;
  #timer: NodeJS.Timeout | undefined;
  #retryAfterMs: number | undefined;

  /** `fault`: the answer was refused on this side, and would be again. */
  constructor(onLost: (fault?: BatonError) => void) {
    this.#onLost = onLost;
  }

  /** How long the server asked to wait when it refused the call. */
  get retryAfterMs(): number | undefined {
    return this.#retryAfterMs;
  }

  /** Runs the call; every exchange that it starts belongs to this watch. */
  run<Value>(work: () => Promise<Value>): Promise<Value> {
    return watches.run(this, work);
  }

  /** The call is over. */
  settle(how: "answered" | "failed"): void {
    this.#settled = true;
    clearTimeout(this.#timer);
    if (how === "failed") this.#abort.abort();
    else if (this.#streams > 0) this.#timer = setTimeout(() => this.#abort.abort(), LINGER_MS_MAX);
  }

  async exchange(fetch: FetchLike, url: string | URL, init: RequestInit | undefined): Promise<Response> {
    const isResume = init?.method === "GET";
    // The first POST is the call; the next one cancels it, and must get through.
    if (!isResume && this.#sent) return fetch(url, init);
    this.#sent = true;
    const signals = [this.#abort.signal, ...(init?.signal ? [init.signal] : [])];
    try {
      const response = await fetch(url, { ...init, signal: AbortSignal.any(signals) });
      // A redirect is followed by another POST.
      if (!isResume && response.status >= 300 && response.status < 400) this.#sent = false;
      if (!isResume && !response.ok) this.#retryAfterMs = retryAfter(response.headers);
      if (isResume && response.ok) this.#failedResumes = 0;
      else if (isResume) this.#resumeFailed();
      return response.ok ? this.#followed(response) : response;
    } catch (error) {
      if (isResume) this.#resumeFailed();
      throw error;
    }
  }

  #followed(response: Response): Response {
    if (response.body === null) return response;
    this.#streams += 1;
    let over = false;
    const end = () => {
      if (over) return;
      over = true;
      this.#streams -= 1;
      this.#streamEnded();
    };
    let start = "\n";
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) => {
        // Data of an event holds no line break, so this is a field of the stream.
        if (!this.#resumable) {
          const text =
            start + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString("latin1");
          this.#resumable = /[\r\n]id:/.test(text);
          start = text.slice(-3);
        }
        controller.enqueue(chunk);
      },
      flush: end,
      cancel: end,
    });
    response.body.pipeTo(writable).catch((error: unknown) => {
      if (error instanceof BatonError && !this.#settled) this.#onLost(error);
      end();
    });
    return new Response(readable, {
      status: response.status,
      statusText: response.statusText,
      headers: response.headers,
    });
  }

  #streamEnded(): void {
    if (this.#streams > 0) return;
    clearTimeout(this.#timer);
    if (!this.#settled && !this.#resumable) this.#timer = setTimeout(() => this.#onLost(), DELIVERY_MS_MAX);
  }

  #resumeFailed(): void {
    this.#failedResumes += 1;
    if (!this.#settled && this.#failedResumes >= RESUME_ATTEMPTS_MAX) this.#onLost();
  }
}

/** The same fetch, with the exchanges of calls followed by their watches. */
export function watchCalls(fetch: FetchLike): FetchLike {
  return (url, init) => {
    const watch = watches.getStore();
    return watch === undefined ? fetch(url, init) : watch.exchange(fetch, url, init);
  };
}
