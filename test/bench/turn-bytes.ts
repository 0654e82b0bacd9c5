/**
 * Bytes that Redis is sent for one turn, late in a long conversation against early: writing a turn must not cost
 * more as the conversation grows (R3). A run of one phase whose model calls a tool on every turn.
 */
import { Redis } from "ioredis";
import { openBenchRig, POOLS, textReply } from "./bench-rig.ts";

export interface TurnBytes {
  readonly early: number;
  readonly late: number;
}

/** Mean bytes a turn around turn `early` and around turn `late`, over a window of turns. */
export async function bytesPerTurn(url: string, early: number, late: number): Promise<TurnBytes> {
  const window = 4;
  const probe = new Redis(url);
  const seen = new Map<number, number>();
  let turn = 0;
  try {
    await using rig = await openBenchRig({
      url,
      concurrency: 1,
      call: async (request) => {
        turn += 1;
        const info = await probe.info("stats");
        seen.set(turn, Number(/total_net_input_bytes:(\d+)/.exec(info)?.[1]));
        if (turn > late + window) return textReply(request, "done");
        const reply = textReply(request, "x".repeat(1_024));
        const call = {
          type: "tool_call" as const,
          callId: `call_${String(turn).padStart(6, "0")}`,
          name: "look",
          arguments: { kind: "object" as const, value: {} },
        };
        return { ...reply, parts: [...reply.parts, call], stopReason: "tool_use" };
      },
    });
    const { runId } = await rig.producer.submit({ input: "go", model: POOLS[0], max_turns: 1_000 });
    const result = await rig.producer.result(runId, AbortSignal.timeout(120_000));
    if (result.status !== "succeeded") throw new Error(`the long run ended ${result.status}`);
  } finally {
    probe.disconnect();
  }
  const mean = (from: number): number => ((seen.get(from + window) ?? 0) - (seen.get(from) ?? 0)) / window;
  return { early: mean(early), late: mean(late) };
}
