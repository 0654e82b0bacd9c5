/**
 * Which runs are traced, by `OTEL_TRACES_SAMPLER`. The answer depends on the trace's id alone, or on what the submitter
 * decided, so that all machines of a run agree without asking one another.
 */
import type { RunTrace } from "./trace-ids.ts";

type Variables = Readonly<Record<string, string | undefined>>;

export interface RunSampler {
  readonly isSampled: (run: RunTrace) => boolean;
  /** What is wrong with the variables; then all is sampled. */
  readonly problem: string | undefined;
}

export function runSampler(variables: Variables): RunSampler {
  const name = variables.OTEL_TRACES_SAMPLER?.trim() || "parentbased_always_on";
  const followsSubmitter = name.startsWith("parentbased_");
  const share = shareOf(name.replace(/^parentbased_/, ""), variables.OTEL_TRACES_SAMPLER_ARG);
  const isSampled = ({ traceId, submitter }: RunTrace): boolean => {
    if (submitter !== undefined && followsSubmitter) return submitter.sampled;
    // The last eight digits are as good as random, by W3C's word and by how ours are made.
    return Number.parseInt(traceId.slice(-8), 16) / 2 ** 32 < (share ?? 1);
  };
  const problem =
    share === undefined ? `OTEL_TRACES_SAMPLER ${name} cannot be read: all runs are traced` : undefined;
  return { isSampled, problem };
}

function shareOf(name: string, argument: string | undefined): number | undefined {
  switch (name) {
    case "always_on":
      return 1;
    case "always_off":
      return 0;
    case "traceidratio": {
      const share = argument === undefined || argument === "" ? 1 : Number(argument);
      return share >= 0 && share <= 1 ? share : undefined;
    }
    default:
      return undefined;
  }
}
