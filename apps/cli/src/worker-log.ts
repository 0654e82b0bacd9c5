/** The log of a worker or an API in this process. */
import type { Environment } from "@baton/worker-app";
import { type DestinationStream, pino } from "pino";
import { loggedError } from "./log-error.ts";

/** To standard error, so that standard output carries results alone. */
export function workerLog(
  { logLevel }: Pick<Environment, "logLevel">,
  level = logLevel,
  destination: DestinationStream = pino.destination({ fd: 2, sync: true }),
) {
  const serializers = { err: loggedError, error: loggedError };
  return pino({ level, base: { pid: process.pid }, serializers }, destination);
}
