/** Hooks of a worker that write down, in words, what they were told. */
import type { Signals } from "../signals.ts";

export function recordSignals(): { readonly signals: Signals; readonly told: readonly string[] } {
  const told: string[] = [];
  const tell = (line: string): void => {
    told.push(line);
  };
  const signals: Signals = {
    phaseBegan: ({ claim, phase }) => {
      const of = `${phase} ${claim.pool}`;
      tell(`phase ${of}`);
      let isOver = false;
      return {
        callBegan: () => {
          let deltas = 0;
          return {
            delta: () => {
              deltas += 1;
            },
            replied: ({ usage }, costUsd) =>
              tell(
                `  reply: ${usage.inputTokens} in, ${costUsd ?? "?"} USD, ${deltas > 0 ? "with" : "no"} deltas`,
              ),
            failed: ({ code }) => tell(`  call failed: ${code}`),
            lost: () => tell("  call lost"),
          };
        },
        toolBegan: ({ name }) => ({
          ended: (isError) => tell(`  tool ${name}: ${isError ? "error" : "ok"}`),
          lost: () => tell(`  tool ${name}: lost`),
        }),
        toolAnswered: (outcome) => tell(`  tool not run: ${outcome}`),
        retried: (code) => tell(`  retried: ${code}`),
        fenced: () => tell("  fenced"),
        ended: (why, outcome) => {
          isOver = true;
          tell(`ended ${of}: ${why}, ${outcome?.kind ?? "nothing"} committed`);
        },
        [Symbol.dispose]: () => {
          if (!isOver) tell(`broke ${of}`);
        },
      };
    },
    runEnded: ({ status, code }) => tell(`run ended: ${status} ${code}`),
  };
  return { signals, told };
}
