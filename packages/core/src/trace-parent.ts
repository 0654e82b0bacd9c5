/**
 * The trace context of whoever submits a run, as W3C's `traceparent` has it:
 * `<version>-<32 hex digits: trace>-<16 hex digits: span>-<flags>`. It travels in the run's record.
 */
export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
}

/** Undefined for what cannot be read: a broken context is no reason to refuse a run. */
export function parseTraceParent(text: string): TraceParent | undefined {
  const match = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/.exec(text.trim());
  const [, traceId = "", spanId = "", flags = ""] = match ?? [];
  // All zeros is no id.
  if (!/[^0]/.test(traceId) || !/[^0]/.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

export function formatTraceParent({ traceId, spanId, sampled }: TraceParent): string {
  return `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`;
}
