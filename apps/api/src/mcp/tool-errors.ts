/**
 * How a call that failed is told: as a tool result that the assistant reads, with the code, what is wrong and what to
 * do. What is our fault goes to the log with its cause, and no word of it to the caller (R9).
 */
import { BatonError } from "@baton/core";
import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import { problemOf } from "../problem.ts";

const MESSAGE_CHARS_MAX = 4_000;

export function errorResult(thrown: unknown, onFault: (error: unknown) => void): CallToolResult {
  const { body, retryAfter, isFault } = problemOf(thrown);
  if (isFault) onFault(thrown);
  const { code, message, field } = body.error;
  const lines = [
    isFault ? `${code}: something went wrong inside Baton; its log has more` : `${code}: ${message}`,
    ...(field === undefined || message.includes(field) ? [] : [`field: ${field}`]),
    ...(retryAfter === undefined ? [] : [`try again in ${retryAfter} seconds`]),
  ];
  return { isError: true, content: [{ type: "text", text: lines.join("\n").slice(0, MESSAGE_CHARS_MAX) }] };
}

/** The work, or an error when it has no end after `msMax`: an assistant that hears nothing cannot go on. */
export async function inTime<Value>(work: Promise<Value>, msMax: number): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(tooLate(msMax)), msMax);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function tooLate(msMax: number): BatonError {
  return new BatonError(
    "redis_unreachable",
    `no answer from the store within ${Math.ceil(msMax / 1_000)} seconds: what was asked for may still be done, so look before you ask again`,
  );
}
