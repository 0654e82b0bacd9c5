/**
 * Acts on all runs of a batch that call for it. The API tells of each run as it goes; a connection that breaks is made anew,
 * and the act goes on with what is left.
 */
import { BatonError, ERROR_CODES, type ErrorCode, runIdSchema } from "@baton/core";
import { z } from "zod";
import type { Done } from "../each-run.ts";
import { actLines } from "./act-lines.ts";
import { errorOf, parsed, type ServerClient, type ServerRequest } from "./server-client.ts";

const changedSchema = z.object({ type: z.literal("changed"), run: runIdSchema });
const refusedSchema = z.object({
  type: z.literal("refused"),
  run: runIdSchema,
  error: z.object({ code: z.string(), message: z.string() }),
});
const lineSchema = z.union([changedSchema, refusedSchema, z.looseObject({ type: z.string() })]);

/** Tells of each run, also of those that could not be changed. Ends early when the signal is aborted. */
export async function* actOnMany(
  client: ServerClient,
  request: ServerRequest,
  signal: AbortSignal,
): AsyncGenerator<Done, void, void> {
  const patience = client.patience();
  let wasCut = false;
  while (!signal.aborted) {
    try {
      for await (const { value, isLast } of actLines(client, request, signal)) {
        patience.calm();
        if (isLast) return;
        const done = doneOf(parsed(lineSchema, value));
        // Behind a cut, what is too late may be what was done before it.
        if (done !== undefined && !(wasCut && isTooLate(done))) yield done;
      }
      return;
    } catch (error) {
      if (signal.aborted) return;
      await patience.bear(errorOf(error), signal).catch((thrown: unknown) => {
        if (!signal.aborted) throw thrown;
      });
      wasCut = true;
    }
  }
}

function doneOf(line: z.infer<typeof lineSchema>): Done | undefined {
  const changed = changedSchema.safeParse(line);
  if (changed.success) return { id: changed.data.run };
  const refused = refusedSchema.safeParse(line);
  if (!refused.success) return undefined;
  const { run, error } = refused.data;
  return { id: run, error: new BatonError(codeOf(error.code), error.message, { fields: { runId: run } }) };
}

function codeOf(code: string): ErrorCode {
  return ERROR_CODES.find((one) => one === code) ?? "internal";
}

function isTooLate({ error }: Done): boolean {
  return error?.code === "not_possible" || error?.code === "conflict";
}
