/**
 * Errors as they stand in the log. Redis' client hangs the command that failed on its errors, with all of its arguments:
 * what models and users said. That is taken out, wherever in an error it stands.
 */
import { stdSerializers } from "pino";

/** The command on an error, the commands of a transaction, and the commands of a pipeline. */
const HIDDEN: ReadonlySet<string> = new Set(["command", "args", "argv", "commands", "previousErrors"]);
const DEPTH_MAX = 6;

/** For pino's `serializers.err`. */
export function loggedError(error: unknown): unknown {
  return error instanceof Error ? withoutCommands(stdSerializers.err(error), 0) : withoutCommands(error, 0);
}

function withoutCommands(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (depth > DEPTH_MAX) return "…";
  if (value instanceof Error) return withoutCommands(stdSerializers.err(value), depth + 1);
  if (Array.isArray(value)) return value.map((one) => withoutCommands(one, depth + 1));
  const kept = Object.entries(value).filter(([name]) => !HIDDEN.has(name));
  return Object.fromEntries(kept.map(([name, one]) => [name, withoutCommands(one, depth + 1)]));
}
