/**
 * Acts that change a run, sent again when nobody knows what became of them. The second one may be refused because the first
 * was done: the run tells.
 */
import type { Run } from "@baton/core";
import type { z } from "zod";
import { errorOf, type ServerClient, type ServerRequest } from "./server-client.ts";

/** Whether a run is as the act leaves it. */
export type IsDone = (run: Run) => boolean;

/** What an act is refused with when its run is not, or no longer, in a status for it. */
const TOO_LATE: ReadonlySet<string> = new Set(["not_possible", "conflict", "invalid_spec"]);

export async function actOnce(
  client: ServerClient,
  request: ServerRequest,
  answer: z.ZodType,
  { read, isDone }: { readonly read: () => Promise<Run>; readonly isDone: IsDone },
): Promise<void> {
  const patience = client.patience();
  const never = new AbortController().signal;
  let mayBeDone = false;
  for (;;) {
    try {
      await client.jsonOnce(request, answer);
      return;
    } catch (thrown) {
      const error = errorOf(thrown);
      if (mayBeDone && TOO_LATE.has(error.code) && isDone(await read())) return;
      await patience.bear(error, never);
      mayBeDone = true;
    }
  }
}

export const ACTS = {
  cancel: (run) => run.status === "cancelled",
  pause: (run) =>
    run.status === "running" ? run.pausing : run.status === "waiting" && run.reason === "paused",
  resume: (run) => run.status !== "waiting",
  approve: (run) => run.status !== "waiting" || run.reason !== "approval",
  reject: (run) => run.status !== "waiting" || run.reason !== "approval",
  input: (run) => run.status !== "waiting",
  retry: (run) => run.status !== "failed" && run.status !== "cancelled",
} as const satisfies Record<string, IsDone>;
export type Act = keyof typeof ACTS;
