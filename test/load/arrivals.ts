/**
 * Requests at a constant rate, whatever becomes of those before: none waits for another. The time of each is counted from
 * when it was to begin, so that a server that stands still for a while shows in all that came meanwhile.
 */
import { setTimeout as delay } from "node:timers/promises";
import { fractionOf } from "../chaos/random.ts";
import { KINDS, type Kind, type Requests } from "./kinds.ts";
import type { Measures } from "./measures.ts";

export interface ArrivalsOptions {
  /** A second. */
  readonly rate: number;
  readonly seconds: number;
  readonly seed: number;
  readonly requests: Requests;
  readonly measures: Measures;
  readonly onSecond?: (second: number) => void;
}

const UNDER_WAY_MAX = 3_000;
const GRACE_MS = 1_000;

/** Resolves when all of them are answered. */
export async function arrive(options: ArrivalsOptions): Promise<void> {
  const { rate, seconds, measures, onSecond } = options;
  const start = performance.now();
  const end = start + seconds * 1_000;
  const underWay = new Set<Promise<void>>();
  for (let count = 0; count < rate * seconds; count += 1) {
    const due = start + (count * 1_000) / rate;
    const early = due - performance.now();
    if (early > 0) await delay(early);
    if (count % rate === 0) onSecond?.(count / rate);
    measures.latenessMs.push(performance.now() - due);
    const kind = kindOf(options.seed, count);
    if (underWay.size >= UNDER_WAY_MAX) {
      measures.failed(kind, `${UNDER_WAY_MAX} requests are under way`);
      continue;
    }
    const sent = send(options, kind, due, end);
    underWay.add(sent);
    void sent.finally(() => underWay.delete(sent));
  }
  await Promise.all(underWay);
}

async function send(
  { requests, measures }: ArrivalsOptions,
  kind: Kind,
  due: number,
  end: number,
): Promise<void> {
  try {
    const answeredAt = await requests.send(kind);
    measures.answered(kind, answeredAt - due);
    if (answeredAt <= end + GRACE_MS) measures.inTime += 1;
  } catch (error) {
    measures.failed(kind, error instanceof Error ? error.message : String(error));
  }
}

function kindOf(seed: number, count: number): Kind {
  const shares = Object.entries(KINDS) as [Kind, number][];
  let left = fractionOf(seed, count) * shares.reduce((sum, [, share]) => sum + share, 0);
  for (const [kind, share] of shares) {
    left -= share;
    if (left < 0) return kind;
  }
  return "GET run";
}
