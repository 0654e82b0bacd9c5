/** Which commands can work through an HTTP API, and where that is. */
import type { Command, Option } from "commander";

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
  if (server?.trim() === "") {
    const { BatonError } = await import("@baton/core");
    // From a variable that is not set: without a word the command would work on whatever Redis is here.
    throw new BatonError("invalid_config", "--server names no server: give its URL, or leave the flag out");
  }
  if (server !== undefined) process.env.BATON_SERVER = server;
  const named = server === undefined ? "BATON_SERVER is set: unset it" : "leave out --server";
  const name = topOf(program, action).name();
  const why = LOCAL[name];
  if ((process.env.BATON_SERVER ?? "") === "" || why === undefined) return;
  // Loaded here alone, so that the help stays quick.
  const { BatonError } = await import("@baton/core");
  throw new BatonError("unsupported", `baton ${name} ${why}: it does not work through a server (${named})`);
}

/** What the help of a command says of the server: nothing where there is no way through one. */
export function serverOption(program: Command, command: Command): Option[] {
  if (command === program || LOCAL[topOf(program, command).name()] !== undefined) return [];
  return program.options.filter(({ long }) => long === "--server");
}

/** The command below the program that the action belongs to. */
function topOf(program: Command, action: Command): Command {
  return action.parent === null || action.parent === program ? action : topOf(program, action.parent);
}
