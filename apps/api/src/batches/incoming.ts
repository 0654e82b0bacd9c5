/**
 * A body that is read as it comes. When the answer is known before its end, what is left of it is taken and thrown away for
 * a while: a client that is still sending would find a broken connection instead of the answer.
 */
import type { Readable } from "node:stream";
import { HttpProblem } from "../problem.ts";

/** A client that sends nothing for so long is cut, and one that is not at its end after an hour. */
const IDLE_MS_MAX = 60_000;
const WHOLE_MS_MAX = 3_600_000;
/** One that sends less than this in a minute is not sending, it is holding a place. */
const SLOWEST: Pace = { bytesMin: 65_536, everyMs: 60_000 };
const REST_MS_MAX = 5_000;

export interface Incoming extends AsyncDisposable {
  /** Throws `bad_request` when the client leaves before the end, and `too_slow` when it sends next to nothing. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

export interface Pace {
  readonly bytesMin: number;
  readonly everyMs: number;
}

/** `slowest`: another one, for tests. */
export function readIncoming(body: Readable, slowest = SLOWEST): Incoming {
  return {
    chunks: chunksOf(body, slowest),
    [Symbol.asyncDispose]: () => discardRest(body),
  };
}

async function* chunksOf(body: Readable, slowest: Pace): AsyncGenerator<Uint8Array, void, void> {
  const idle = setTimeout(() => body.destroy(new Error("nothing came for too long")), IDLE_MS_MAX);
  const whole = setTimeout(() => body.destroy(new Error("it took too long to come")), WHOLE_MS_MAX);
  let [waitedMs, bytes, askedAt] = [0, 0, performance.now()];
  try {
    for await (const chunk of body.iterator({ destroyOnReturn: false })) {
      idle.refresh();
      waitedMs += performance.now() - askedAt;
      bytes += chunk.length;
      if (waitedMs >= slowest.everyMs) {
        if (bytes < slowest.bytesMin) throw tooSlow(slowest);
        [waitedMs, bytes] = [0, 0];
      }
      yield chunk;
      // The time that it took to deal with it was not the client's.
      idle.refresh();
      askedAt = performance.now();
    }
  } catch (error) {
    if (error instanceof HttpProblem) throw error;
    throw new HttpProblem("bad_request", 400, "the upload was cut: send the file again", { cause: error });
  } finally {
    clearTimeout(idle);
    clearTimeout(whole);
  }
}

function tooSlow({ bytesMin, everyMs }: Pace): HttpProblem {
  return new HttpProblem(
    "too_slow",
    408,
    `the file comes too slowly, less than ${bytesMin} bytes in ${everyMs / 1_000} seconds: nothing of it was submitted`,
  );
}

async function discardRest(body: Readable): Promise<void> {
  if (body.readableEnded || body.destroyed) return;
  const rest = Promise.withResolvers<void>();
  const timer = setTimeout(rest.resolve, REST_MS_MAX);
  // It ends as it likes: nobody reads it any more.
  for (const event of ["end", "close", "error"]) body.once(event, () => rest.resolve());
  body.resume();
  await rest.promise.finally(() => clearTimeout(timer));
}
