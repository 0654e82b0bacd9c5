/**
 * Loaded into each worker of the demo before anything else (`node --import`): ends the worker at once when the
 * demo that started it is gone, however it went, since nobody would stop the worker then. The demo holds the other
 * end of the worker's standard input and never writes to it.
 */
import process from "node:process";

process.stdin.once("end", () => process.kill(process.pid, "SIGKILL"));
process.stdin.resume();
// To watch is no reason to live: a worker that is done ends by itself.
process.stdin.unref();
