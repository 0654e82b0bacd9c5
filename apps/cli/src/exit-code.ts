/** Exit codes of every command, and how an error becomes one line and a code. */
import type { BatonError, ErrorCode } from "@baton/core";
import { clean } from "./terminal.ts";

export const EXIT = { done: 0, runFailed: 1, usage: 2, unreachable: 3 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const UNREACHABLE: ReadonlySet<ErrorCode> = new Set([
  "redis_unreachable",
  "redis_unfit",
  "redis_full",
  "provider_unreachable",
  "server_unreachable",
  "server_protocol",
  "shutting_down",
]);
const RUN_FAILED: ReadonlySet<ErrorCode> = new Set([
  "internal",
  "store_corrupt",
  "not_possible",
  "cancelled",
]);

export function exitCodeOf(error: BatonError): ExitCode {
  if (UNREACHABLE.has(error.code)) return EXIT.unreachable;
  return RUN_FAILED.has(error.code) ? EXIT.runFailed : EXIT.usage;
}

/** The line that a person reads: what is wrong and what to do. It may quote files, models and providers. */
export function errorLine(error: BatonError): string {
  // An API says how a key is sent, and who calls it through this command sends nothing.
  const way = error.code === "unauthorized" ? " (here it is given by BATON_API_KEY)" : "";
  return `baton: ${clean(error.message.replaceAll("\n", " "))}${way}`;
}
