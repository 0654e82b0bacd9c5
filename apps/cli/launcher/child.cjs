/** Runs a child process that stands in for this one. */
"use strict";

const { spawn } = require("node:child_process");
const os = require("node:os");

/** Sent by supervisors to one process, so they must be passed on. */
const FORWARDED = ["SIGTERM", "SIGHUP", "SIGUSR2"];

/**
 * Resolves with `{code, signal, output}` when the child has ended, `output` being what it wrote to streams that
 * are piped. Rejects when it cannot start.
 */
function startChild(file, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, options);
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text) => {
        output = (output + text).slice(-1_000_000);
      });
    }
    const stopForwarding = forwardSignals(child);
    child.once("error", (error) => {
      stopForwarding();
      reject(error);
    });
    child.once("close", (code, signal) => {
      stopForwarding();
      resolve({ code, signal, output });
    });
  });
}

function forwardSignals(child) {
  // A child that follows knows whether it has heard by itself (`follow.cjs`).
  const forward = (signal) => {
    if (!child.connected) child.kill(signal);
    else child.send({ signal }, (error) => error && child.kill(signal));
  };
  // A terminal sends Ctrl-C to the child itself; twice would mean "at once".
  const hasTerminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY);
  const onInterrupt = hasTerminal ? () => undefined : forward;
  process.on("SIGINT", onInterrupt);
  const names = process.platform === "win32" ? [] : FORWARDED;
  for (const name of names) process.on(name, forward);
  return () => {
    process.off("SIGINT", onInterrupt);
    for (const name of names) process.off(name, forward);
  };
}

/** Ends this process the way the child ended. */
function endLike({ code, signal }) {
  if (signal === null) {
    process.exitCode = code ?? 1;
    return;
  }
  process.exitCode = 128 + (os.constants.signals[signal] ?? 0);
  process.kill(process.pid, signal);
}

module.exports = { endLike, startChild };
