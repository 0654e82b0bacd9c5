/** The log of a worker or an API in this process. */
import type { Environment } from "@baton/worker-app";
import { type DestinationStream, pino } from "pino";
import { loggedError } from "./log-error.ts";
import { screenLog } from "./screen-log.ts";

/** To standard error, so that standard output carries results alone: JSON, and on a terminal lines for people. */
export function workerLog(
  { logLevel }: Pick<Environment, "logLevel">,
  level = logLevel,
  destination: DestinationStream = process.stderr.isTTY
    ? screenLog()
    : pino.destination({ fd: 2, sync: true }),
) {
  const serializers = { err: loggedError, error: loggedError };
  return pino({ level, base: { pid: process.pid }, serializers }, destination);
}
