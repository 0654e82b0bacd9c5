/** A run as it is streamed: chunks to iterate over, and its result when they are through. */
import { BatonError, type RunId } from "@baton/core";
import type { RunChunk } from "./run-chunks.ts";
import type { RunnerResult } from "./runner-result.ts";

export class RunStream<Parsed = unknown> implements AsyncIterableIterator<RunChunk, undefined, void> {
  readonly runId: RunId;
  readonly #chunks: AsyncGenerator<RunChunk, RunnerResult<Parsed>, void>;
  #result: RunnerResult<Parsed> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(runId: RunId, chunks: AsyncGenerator<RunChunk, RunnerResult<Parsed>, void>) {
    this.runId = runId;
    this.#chunks = chunks;
  }

  /** The next chunk. Throws what the run failed with. */
  async next(): Promise<IteratorResult<RunChunk, undefined>> {
    try {
      const next = await this.#chunks.next();
      if (!next.done) return { done: false, value: next.value };
      // After its end, or after `return`, a generator has no value any more.
      this.#result ??= next.value;
      return { done: true, value: undefined };
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  /** Stops reading. The run goes on; calls of the caller's own tools then wait for somebody to follow it. */
  async return(): Promise<IteratorResult<RunChunk, undefined>> {
    // The value is never read: a stream that was left has no result.
    await this.#chunks.return(undefined as never);
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** The result of the run. Chunks that were not read yet are read and dropped. */
  async result(): Promise<RunnerResult<Parsed>> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.error;
      if (this.#result !== undefined) return this.#result;
      const next = await this.next();
      if (next.done && this.#result === undefined) {
        throw new BatonError(
          "not_possible",
          `the stream of run ${this.runId} was left: follow the run again`,
          {
            fields: { runId: this.runId },
          },
        );
      }
    }
  }
}
