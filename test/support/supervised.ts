/** A command that is started again whenever it ends, as a supervisor would, until it is disposed. */
import type { ScriptProcess } from "./processes.ts";

export interface Supervised extends AsyncDisposable {
  /** How often it was started. */
  readonly starts: number;
  /** Kills it at once; the next one starts. */
  kill(): Promise<void>;
}

/** Resolves when the first one is ready. `start` gives a process that is ready. */
export async function supervise(start: () => Promise<ScriptProcess>): Promise<Supervised> {
  let starts = 0;
  let current = await next();
  let isOver = false;
  const loop = watch();
  async function next(): Promise<ScriptProcess> {
    const process = await start();
    starts += 1;
    return process;
  }
  async function watch(): Promise<void> {
    for (;;) {
      await current.ended;
      if (isOver) return;
      current = await next();
      // It was disposed while this one started.
      if (isOver) await current[Symbol.asyncDispose]();
    }
  }
  // Whoever disposes it hears what went wrong.
  loop.catch(() => undefined);
  return {
    get starts() {
      return starts;
    },
    kill: () => current.kill(),
    async [Symbol.asyncDispose]() {
      isOver = true;
      await current[Symbol.asyncDispose]();
      await loop;
    },
  };
}
