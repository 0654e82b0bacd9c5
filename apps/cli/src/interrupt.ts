/** The first Ctrl-C (or SIGTERM) asks a command to end well; the second ends it. */
export interface Interrupt extends Disposable {
  readonly signal: AbortSignal;
}

export function listenForInterrupt(): Interrupt {
  const controller = new AbortController();
  const onSignal = (): void => {
    controller.abort();
    stop();
  };
  const stop = (): void => {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return { signal: controller.signal, [Symbol.dispose]: stop };
}
