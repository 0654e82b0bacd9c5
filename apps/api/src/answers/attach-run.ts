/**
 * The run behind a request: a new one, or by its idempotency key the one that an earlier request made (R8). The key
 * is the caller's whole memory of the run: a client that lost its connection, or a server that was restarted, finds the
 * run by it and goes on waiting.
 */
import type { RunId, RunSpec } from "@baton/core";
import type { RunService } from "@baton/producer";
import { runTakenUp } from "./call-ids.ts";

export interface Attached {
  readonly runId: RunId;
  /** False when an earlier request made it. */
  readonly created: boolean;
}

export interface RequestKeys {
  readonly idempotencyKey: string | undefined;
  /** W3C `traceparent`. */
  readonly trace: string | undefined;
  /** A key of one endpoint names no run that was submitted elsewhere with the same one. */
  readonly endpoint: "chat" | "responses";
  /** The run that is taken up; absent: the one that the messages tell. */
  readonly continues?: RunId | undefined;
}

/** Throws `invalid_spec`, or `conflict` when the key came with another request before. */
export function attachRun(
  runs: Pick<RunService, "submit">,
  spec: RunSpec,
  { idempotencyKey, trace, endpoint, continues = runTakenUp(spec) }: RequestKeys,
): Promise<Attached> {
  const key = idempotencyKey === undefined ? undefined : `${endpoint} ${idempotencyKey}`;
  return runs.submit(spec, { idempotencyKey: key, trace, continues });
}
