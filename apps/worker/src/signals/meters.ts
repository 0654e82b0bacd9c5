/**
 * Every metric of Baton that a process counts by itself, in one place: name, unit, labels, buckets. Names end with
 * their unit, labels have few values: a pool is a model that is served, never a run, a tool or a batch.
 */
import { Counter, Histogram, type Registry } from "prom-client";

/** A phase lasts from a quick answer to an hour of tools. */
const PHASE_BUCKETS_S = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600];
const CALL_BUCKETS_S = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 900];
const FIRST_TOKEN_BUCKETS_S = [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60];
const TOOL_BUCKETS_S = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export type Meters = ReturnType<typeof defineMeters>;

export function defineMeters(registry: Registry) {
  const registers = [registry];
  const counter = <Label extends string>(name: string, help: string, labelNames: readonly Label[]) =>
    new Counter({ name, help, labelNames, registers });
  const histogram = <Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    buckets: number[],
  ) => new Histogram({ name, help, labelNames, buckets, registers });
  return {
    phaseSeconds: histogram(
      "baton_phase_duration_seconds",
      "Work on a claim of a phase, by how it ended.",
      ["pool", "outcome"],
      PHASE_BUCKETS_S,
    ),
    callSeconds: histogram(
      "baton_model_call_duration_seconds",
      "Model calls: ok, failed, or aborted with their claim.",
      ["pool", "outcome"],
      CALL_BUCKETS_S,
    ),
    firstTokenSeconds: histogram(
      "baton_time_to_first_token_seconds",
      "From the start of a model call to the first piece of its reply.",
      ["pool"],
      FIRST_TOKEN_BUCKETS_S,
    ),
    callFailures: counter("baton_model_call_failures_total", "Model calls that failed, by error class.", [
      "pool",
      "code",
    ]),
    retries: counter("baton_retries_total", "Failed model calls that are tried again, by error class.", [
      "pool",
      "code",
    ]),
    tokens: counter(
      "baton_tokens_total",
      "Tokens by kind. cached_input and cache_write are parts of input, reasoning is a part of output.",
      ["pool", "kind"],
    ),
    costUsd: counter("baton_cost_usd_total", "Cost of the replies whose price is known.", ["pool"]),
    unpricedReplies: counter("baton_unpriced_replies_total", "Replies whose price is not known.", ["pool"]),
    fencedWrites: counter("baton_fenced_writes_total", "Writes refused because the claim was lost.", [
      "pool",
    ]),
    runsEnded: counter(
      "baton_runs_ended_total",
      "Runs that this process brought to their end. code: why one failed.",
      ["status", "code"],
    ),
    toolSeconds: histogram(
      "baton_tool_call_duration_seconds",
      "Tool calls that were run.",
      ["outcome"],
      TOOL_BUCKETS_S,
    ),
    toolCalls: counter(
      "baton_tool_calls_total",
      "Tool calls: ok, error, aborted, unknown (a worker was lost during it), refused (not run at all).",
      ["outcome"],
    ),
  };
}
