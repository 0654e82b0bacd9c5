/** `?wait=N`: an answer that comes when the run is over or waits for an outside act, or after N seconds. */
import type { RunId } from "@baton/core";
import type { RunService } from "@baton/producer";
import type { FastifyReply } from "fastify";
import { z } from "zod";
import type { ApiContext } from "../api-context.ts";
import { clientLeft } from "../client-left.ts";
import { queryNumber } from "../query-values.ts";

const WAIT_SECONDS_MAX = 600;

export const waitSeconds = queryNumber(z.number().min(0).max(WAIT_SECONDS_MAX))
  .default(0)
  .describe(
    `Seconds to wait, ${WAIT_SECONDS_MAX} at most: the answer comes when the run is over or waits for an outside act, or after so long with the run so far.`,
  );

/** The run as it is then; also when the caller leaves or the API stops. */
export async function waitForRun(
  { runsOf, stopping }: Pick<ApiContext, "runsOf" | "stopping">,
  reply: FastifyReply,
  id: RunId,
  seconds: number,
): ReturnType<RunService["get"]> {
  const runs = runsOf(reply.request);
  if (seconds === 0) return runs.get(id);
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), Math.ceil(seconds * 1_000));
  try {
    return await runs.untilSettled(id, AbortSignal.any([late.signal, stopping, clientLeft(reply)]));
  } finally {
    clearTimeout(timer);
  }
}
