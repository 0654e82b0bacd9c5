/**
 * Loaded first in a process that stands in for its launcher. When the launcher is killed, nobody is left who could end this
 * process: a supervisor would start another one beside it, at the same port. So it dies with the launcher, as suddenly.
 */
"use strict";

const { channel } = process;
if (channel) {
  process.once("disconnect", () => process.kill(process.pid, "SIGKILL"));
  // The channel tells of an end alone: it is nothing to wait for, and nothing that children inherit.
  channel.unref();
  const place = process.execArgv.indexOf(__filename);
  process.execArgv.splice(place - 1, place > 0 ? 2 : 0);
}
