/** Resolves with the name of the next SIGTERM or SIGINT. */
export function stopSignal(): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  const done = (signal: NodeJS.Signals): void => {
    process.off("SIGTERM", done);
    process.off("SIGINT", done);
    resolve(signal);
  };
  process.on("SIGTERM", done);
  process.on("SIGINT", done);
  return promise;
}
