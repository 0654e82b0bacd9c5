/**
 * Standard output for results of any length: a reader that is slower than they come is waited for, and one that has seen
 * enough (`… | head`) ends the command without a word.
 */
import { once } from "node:events";

export interface Output {
  /** Nobody reads any more. */
  readonly closed: AbortSignal;
  line(value: unknown): Promise<void>;
}

export function openOutput(): Output {
  const closed = new AbortController();
  const { stdout } = process;
  const onError = (error: NodeJS.ErrnoException): void => {
    if (error.code !== "EPIPE") throw error;
    closed.abort();
  };
  stdout.on("error", onError);
  return {
    closed: closed.signal,
    async line(value) {
      if (closed.signal.aborted || stdout.write(`${JSON.stringify(value)}\n`)) return;
      await once(stdout, "drain", { signal: closed.signal }).catch(() => undefined);
    },
  };
}
