/**
 * A signal that comes while a command starts. What was begun, such as a Redis of its own, must not stay behind; so the start
 * comes to its end, and the command stops in order right behind it. A start that takes long is cut, as by a second signal.
 */
import type { Stopping } from "@baton/worker-app/serve";

const START_MS_MAX = 10_000;

/** Begins to listen. */
export function earlyStop(): Stopping {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  let late: NodeJS.Timeout | undefined;
  let isStarted = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    // From here on a signal does what it does by itself, until the command says otherwise.
    process.off("SIGTERM", onSignal);
    process.off("SIGINT", onSignal);
    if (!isStarted) late = setTimeout(() => process.kill(process.pid, signal), START_MS_MAX);
    resolve(signal);
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  return {
    started() {
      isStarted = true;
      clearTimeout(late);
      return promise;
    },
    [Symbol.dispose]() {
      clearTimeout(late);
      process.off("SIGTERM", onSignal);
      process.off("SIGINT", onSignal);
    },
  };
}
