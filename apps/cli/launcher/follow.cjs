/**
 * Loaded first in a process that stands in for its launcher, so that nobody has to know that there are two.
 *
 * - When the launcher is killed, nobody is left who could end this process: a supervisor would start another one beside it, at
 *   the same port. So it dies with the launcher, as suddenly.
 * - The launcher passes on the signals that it hears. Some supervisors, systemd among them, signal all processes of a service:
 *   then this one has heard already, and the same signal a second time would mean "at once".
 */
"use strict";

/** How long before the launcher's word a signal that means the same can have come. */
const SAME_MS_MAX = 2_000;
/** And how long after it: a supervisor sends one signal after another. */
const SAME_SOON_MS_MAX = 50;

const { channel } = process;
if (channel) {
  process.once("disconnect", () => process.kill(process.pid, "SIGKILL"));
  process.on("message", passOn(signalsHeard()));
  // The channel keeps nothing alive, and children inherit nothing of it.
  channel.unref();
  const place = process.execArgv.indexOf(__filename);
  process.execArgv.splice(place - 1, place > 0 ? 2 : 0);
}

/**
 * What became of signals so far: `hasCome` says whether one came to this process by itself lately, once for each that came;
 * `raise` sends one in the launcher's name. A listener would not do: signals that nobody listens to must end the process as
 * ever.
 */
function signalsHeard() {
  const cameAt = new Map();
  const raised = new Set();
  const { emit } = process;
  process.emit = function (name, ...rest) {
    const isSignal = typeof name === "string" && name.startsWith("SIG");
    if (isSignal && !raised.delete(name)) cameAt.set(name, performance.now());
    return Reflect.apply(emit, this, [name, ...rest]);
  };
  return {
    hasCome(signal) {
      const at = cameAt.get(signal);
      cameAt.delete(signal);
      return at !== undefined && performance.now() - at < SAME_MS_MAX;
    },
    raise(signal) {
      raised.add(signal);
      process.kill(process.pid, signal);
    },
  };
}

function passOn({ hasCome, raise }) {
  return ({ signal }) => {
    setTimeout(() => {
      if (!hasCome(signal)) raise(signal);
    }, SAME_SOON_MS_MAX).unref();
  };
}
