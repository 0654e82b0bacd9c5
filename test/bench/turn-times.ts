/** How long a turn takes late in a long conversation against early, from one model call to the next. */
import { openBenchRig, POOLS, textReply } from "./bench-rig.ts";
import { median } from "./rows.ts";

/** Turns of each run whose median is one sample. */
const WINDOW = 8;

export interface TurnTimesOptions {
  readonly early: number;
  readonly late: number;
  readonly rounds: number;
}

export interface TurnTimes {
  /** Milliseconds. */
  readonly early: number;
  readonly late: number;
  /** The median of the runs' ratios. */
  readonly ratio: number;
}

/** Runs so many long conversations, one after another; each gives one early and one late sample. */
export async function turnTimes(url: string, { early, late, rounds }: TurnTimesOptions): Promise<TurnTimes> {
  let stamps: number[] = [];
  await using rig = await openBenchRig({
    url,
    concurrency: 1,
    call: (request) => {
      stamps.push(performance.now());
      if (stamps.length > late + WINDOW) return textReply(request, "done");
      const reply = textReply(request, "x".repeat(1_024));
      const call = {
        type: "tool_call" as const,
        callId: `call_${String(stamps.length).padStart(6, "0")}`,
        name: "look",
        arguments: { kind: "object" as const, value: {} },
      };
      return { ...reply, parts: [...reply.parts, call], stopReason: "tool_use" };
    },
  });
  const samples: { readonly early: number; readonly late: number }[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    stamps = [];
    const { runId } = await rig.producer.submit({ input: "go", model: POOLS[0], max_turns: 1_000 });
    const result = await rig.producer.result(runId, AbortSignal.timeout(120_000));
    if (result.status !== "succeeded") throw new Error(`the long run ended ${result.status}`);
    // The first run warms up.
    if (round > 0) samples.push({ early: timeAt(stamps, early), late: timeAt(stamps, late) });
  }
  return {
    early: median(samples.map((sample) => sample.early)),
    late: median(samples.map((sample) => sample.late)),
    ratio: median(samples.map((sample) => sample.late / sample.early)),
  };
}

function timeAt(stamps: readonly number[], turn: number): number {
  const times = Array.from({ length: WINDOW }, (_, index) => {
    const from = turn - 1 + index;
    return (stamps[from + 1] ?? Number.NaN) - (stamps[from] ?? Number.NaN);
  });
  return median(times);
}
