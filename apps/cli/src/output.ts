/**
 * Standard output: a reader that is slower than results come is waited for, one that has seen enough (`… | head`) ends the
 * command without a word, and output that cannot be written (a full disk) is told once.
 */
import { once } from "node:events";
import { EXIT } from "./exit-code.ts";

export interface Output {
  /** Nothing more can be written. */
  readonly closed: AbortSignal;
  line(value: unknown): Promise<void>;
}

/** What a shell says of a program that wrote to a pipe which nobody reads any more: 128 and SIGPIPE. */
const EXIT_PIPE = 141;

const closed = new AbortController();

/**
 * Called once, before anything is written: an error of the stream would end the process and leave open what it holds. The
 * command ends by itself, and its exit code is set then.
 */
export function guardOutput(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (closed.signal.aborted) return;
    closed.abort();
    const isPipe = error.code === "EPIPE";
    if (!isPipe) process.stderr.write(`baton: standard output cannot be written: ${error.message}\n`);
    process.once("exit", () => {
      process.exitCode = isPipe ? EXIT_PIPE : EXIT.runFailed;
    });
  });
}

export function openOutput(): Output {
  const { stdout } = process;
  return {
    closed: closed.signal,
    async line(value) {
      if (closed.signal.aborted || stdout.write(`${JSON.stringify(value)}\n`)) return;
      await once(stdout, "drain", { signal: closed.signal }).catch(() => undefined);
    },
  };
}
