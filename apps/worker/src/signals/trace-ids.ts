/**
 * Ids of traces and spans that any machine derives alike from what it knows of a run, so that the phases of a run join
 * one trace wherever they ran, and nothing but the submitter's own context has to travel with it.
 *
 *     trace       the submitter's, else from the run id
 *     run span    from the run id: phases name it as their parent long before it is sent, at the end of the run
 *     phase span  from the run id and the epoch of the claim: the next claim links to it by what stands in the log
 */
import { createHash } from "node:crypto";
import { parseTraceParent, type RunId, type TraceParent } from "@baton/core";

export interface RunTrace {
  readonly traceId: string;
  readonly runSpanId: string;
  /** The submitter's span, when it sent its context along. */
  readonly submitter: TraceParent | undefined;
}

/** `trace`: a W3C `traceparent` as it was submitted; one that cannot be read counts as none. */
export function traceOfRun(runId: RunId, trace: string | undefined): RunTrace {
  const submitter = trace === undefined ? undefined : parseTraceParent(trace);
  const own = digest(`run ${runId}`);
  return {
    traceId: submitter?.traceId ?? own.slice(0, 32),
    runSpanId: own.slice(32, 48),
    submitter,
  };
}

export function phaseSpanId(runId: RunId, epoch: number): string {
  return digest(`phase ${runId} ${epoch}`).slice(0, 16);
}

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** When the run was submitted, by the clock of whoever did: the ULID of its id tells. */
export function submittedAt(runId: RunId): number {
  const ulid = runId.slice(runId.lastIndexOf("_") + 1);
  let time = 0;
  for (const letter of ulid.slice(0, 10)) time = time * 32 + CROCKFORD.indexOf(letter);
  return time;
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
