/**
 * Loaded into each worker of a chaos run before anything else (`node --import`). The harness holds the other end of
 * the worker's standard input: a line `stall <ms>` blocks the event loop for so long, and the end of it ends the
 * worker, since nobody would stop the worker when the harness is gone.
 */
process.stdin.setEncoding("utf8").on("data", (line: string) => {
  const ms = /^stall (\d+)$/m.exec(line)?.[1];
  if (ms !== undefined) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(ms));
});
process.stdin.once("end", () => process.kill(process.pid, "SIGKILL"));
// To listen is no reason to live: a worker that is done ends by itself.
process.stdin.unref();
