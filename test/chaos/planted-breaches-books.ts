/**
 * Breaches that show in the books: those of providers and tools, of producers, of what was logged, and in the times of
 * a run.
 */
import type { History } from "./history.ts";
import type { Breach } from "./planted-breaches.ts";
import { copied, delayed, found, momentAtWork } from "./planted-edits.ts";

const FAR_MS = 100_000;

const STRANDED: readonly Breach[] = [
  {
    invariant: "R4",
    what: "a running run stands still",
    plant: (history) => delayed(history, "first", momentAtWork(history, "first"), FAR_MS),
  },
  {
    invariant: "R4",
    what: "a queued run is passed over",
    plant: (history) => {
      // The second comes late, and a third that was submitted long after it is taken before.
      const { at } = found(history.submissions.findLast(({ mark }) => mark === "second"));
      const late = delayed(copied(history, "second", "third"), "second", at, 2 * FAR_MS);
      const between = delayed(late, "third", 0, FAR_MS);
      const submissions = between.submissions.map((one) =>
        one.mark === "third" ? { ...one, at: one.at + FAR_MS } : one,
      );
      return { ...between, submissions };
    },
  },
];

const BOUGHT: readonly Breach[] = [
  {
    invariant: "R5",
    what: "a reply is bought again after it was written",
    plant: (history) => {
      const { soldAt: _soldAt, ...first } = found(history.purchases.find(({ mark }) => mark === "first"));
      const again = { ...first, at: history.endedAt, nonce: "again" };
      return { ...history, purchases: [...history.purchases, again] };
    },
  },
  {
    invariant: "R5",
    what: "replies are bought and thrown away when nothing was broken",
    plant: (history) => wasting(history, 2),
  },
  {
    invariant: "R5",
    what: "a run throws away more replies than it had claims, whatever was broken",
    plant: (history) => {
      const fault = { kind: "worker_killed", target: "worker 3", inFlight: 100, held: [] };
      return { ...wasting(history, 5), faults: [...history.faults, { ...fault, at: history.startedAt }] };
    },
  },
  {
    invariant: "R5",
    what: "the log has a reply that nobody sold",
    plant: (history) => ({
      ...history,
      purchases: history.purchases.filter(({ mark, replies }) => mark !== "first" || replies > 0),
    }),
  },
  {
    invariant: "R5",
    what: "a tool is run again after its result was written",
    plant: (history) => {
      const run = found(history.toolRuns.find(({ tool }) => tool === "look"));
      return { ...history, toolRuns: [...history.toolRuns, { ...run, at: history.endedAt }] };
    },
  },
  {
    invariant: "R5",
    what: "a tool with an effect is run twice",
    plant: (history) => {
      const run = found(history.toolRuns.find(({ tool }) => tool === "pay"));
      return { ...history, toolRuns: [...history.toolRuns, run] };
    },
  },
  {
    invariant: "R3",
    what: "a model was shown replies that no log has",
    plant: (history) => {
      const { soldAt: _soldAt, ...first } = found(history.purchases.find(({ mark }) => mark === "first"));
      return { ...history, purchases: [...history.purchases, { ...first, nonce: "beyond", replies: 9 }] };
    },
  },
];

const SUBMITTED: readonly Breach[] = [
  {
    invariant: "R8",
    what: "one submission made two runs",
    plant: (history) => copied(history, "second", "second"),
  },
  {
    invariant: "R8",
    what: "one key was told two runs",
    plant: (history) => {
      const both = copied(history, "second", "third");
      const submissions = both.submissions.map((one) =>
        one.mark === "third" ? { ...one, idempotencyKey: keyOf(history, "second") } : one,
      );
      return { ...both, submissions };
    },
  },
  {
    invariant: "R8",
    what: "nobody asked for a run",
    plant: (history) => ({
      ...history,
      submissions: history.submissions.filter(({ mark }) => mark !== "second"),
    }),
  },
  {
    invariant: "lost",
    what: "a run that was accepted is not there",
    plant: (history) => ({ ...history, runs: history.runs.filter(({ mark }) => mark !== "second") }),
  },
];

const LEAKED: readonly Breach[] = [
  {
    invariant: "R9",
    what: "a secret is in a line of the log",
    plant: (history) => ({
      ...history,
      texts: [...history.texts, { where: "stderr", text: `401 for ${found(history.secrets[0])}` }],
    }),
  },
  {
    invariant: "R9",
    what: "a secret is in a header, in base64",
    plant: (history) => {
      const header = Buffer.from(found(history.secrets[0])).toString("base64");
      return { ...history, texts: [...history.texts, { where: "a job", text: `Basic ${header}` }] };
    },
  },
];

export const BREACHES_OF_BOOKS: readonly Breach[] = [...STRANDED, ...BOUGHT, ...SUBMITTED, ...LEAKED];

/** The first reply of `second` was sold so many times more, to nobody who wrote it. */
function wasting(history: History, count: number): History {
  const first = found(history.purchases.find(({ mark }) => mark === "second"));
  const wasted = Array.from({ length: count }, (_, number) => ({ ...first, nonce: `wasted${number}` }));
  return { ...history, purchases: [...history.purchases, ...wasted] };
}

function keyOf(history: History, mark: string): string {
  return found(history.submissions.find((one) => one.mark === mark)).idempotencyKey;
}
