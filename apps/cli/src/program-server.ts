/** Which commands can work through an HTTP API, and where that is. */
import type { Command } from "commander";

/** They work on Redis itself, serve models, or make what the API's callers need: an API gives no way to that. */
const LOCAL: Readonly<Record<string, string>> = {
  up: "starts Redis and workers here",
  api: "is the API, on Redis itself",
  worker: "takes work from Redis itself",
  keys: "makes the keys of the API, on Redis itself",
  doctor: "looks at Redis and at this machine",
  demo: "brings all that it needs",
};

/**
 * Called before a command. What `--server` says becomes the environment's BATON_SERVER, which is where commands look.
 * Throws for a command that would silently work elsewhere than it was told to.
 */
export async function chooseServer(program: Command, action: Command): Promise<void> {
  const { server } = program.opts<{ readonly server?: string }>();
  if (server !== undefined) process.env.BATON_SERVER = server;
  const named = server === undefined ? "BATON_SERVER is set: unset it" : "leave out --server";
  const name = topOf(program, action).name();
  const why = LOCAL[name];
  if ((process.env.BATON_SERVER ?? "") === "" || why === undefined) return;
  // Loaded here alone, so that the help stays quick.
  const { BatonError } = await import("@baton/core");
  throw new BatonError("unsupported", `baton ${name} ${why}: it does not work through a server (${named})`);
}

/** The command below the program that the action belongs to. */
function topOf(program: Command, action: Command): Command {
  return action.parent === null || action.parent === program ? action : topOf(program, action.parent);
}
