/**
 * Handoff latency: from the moment at which A's reply is in hand to the call of B's adapter, so the commit, the
 * queue and the claim. One run at a time, on an otherwise idle worker.
 */
import { openBenchRig, POOLS, textReply } from "./bench-rig.ts";

/** Latencies in milliseconds, sorted. */
export async function handoffLatenciesMs(url: string, runs: number): Promise<readonly number[]> {
  let replied = 0;
  const latencies: number[] = [];
  await using rig = await openBenchRig({
    url,
    concurrency: 4,
    call: (request) => {
      if (request.model === POOLS[1]) latencies.push(performance.now() - replied);
      else replied = performance.now();
      return textReply(request, "x".repeat(1_024));
    },
  });
  for (let index = 0; index < runs; index += 1) {
    const spec = { input: "go", phases: [{ model: POOLS[0] }, { model: POOLS[1] }] };
    const { runId } = await rig.producer.submit(spec);
    await rig.producer.result(runId, AbortSignal.timeout(10_000));
  }
  return latencies.sort((a, b) => a - b);
}
