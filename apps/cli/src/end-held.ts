/**
 * The end of a process that a disk holds. A file operation that never ends keeps its thread, and Node waits for its threads,
 * even in `process.exit`. A signal does not wait; whoever supervises takes one of this kind for an end in order.
 */

/** Everything is closed by then. */
export function endHeld(): void {
  process.stderr.write(
    "baton: the disk of the uploads does not answer and holds this process: it ends by SIGTERM\n",
  );
  process.removeAllListeners("SIGTERM");
  process.kill(process.pid, "SIGTERM");
}
