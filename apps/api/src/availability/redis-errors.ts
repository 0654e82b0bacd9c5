/** What Redis, or the client of it, says when it is no fault of the request: as an error that a caller can act on. */
import { BatonError } from "@baton/core";
import { isDiskRefusal } from "@baton/store";

const FULL = /^OOM\b/;
const AWAY =
  /^(NOAUTH|WRONGPASS|NOPERM|LOADING|READONLY|MASTERDOWN|NOREPLICAS|CLUSTERDOWN|TRYAGAIN|Connection is closed|Cluster isn't ready|Too many Cluster redirections)/;

export function unreachableError(cause?: unknown): BatonError {
  return new BatonError(
    "redis_unreachable",
    "Redis does not answer: send the request again in a moment. What it was to change may have happened; with the same Idempotency-Key nothing is done twice",
    { cause, retry: "backoff" },
  );
}

/** What to tell while Redis is away: what it refuses with, where it does so. */
export function awayError(refusal: unknown): BatonError {
  const told = ofRedis(refusal);
  return told instanceof BatonError ? told : unreachableError(refusal);
}

/** The error in Baton's words where it is Redis' availability; else as it is. */
export function ofRedis(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof BatonError) return error;
  if (FULL.test(error.message)) {
    return new BatonError(
      "redis_full",
      "Redis has no memory left and takes no new work: what was accepted is safe. Wait, or give it more memory (maxmemory)",
      { cause: error, retry: "backoff" },
    );
  }
  if (isDiskRefusal(error)) {
    return new BatonError(
      "redis_unreachable",
      "Redis cannot write to its disk, and takes nothing until it can: what was accepted is safe. Wait until whoever runs it has made room; with the same Idempotency-Key nothing is done twice",
      { cause: error, retry: "backoff" },
    );
  }
  return AWAY.test(error.message) ? unreachableError(error) : error;
}
