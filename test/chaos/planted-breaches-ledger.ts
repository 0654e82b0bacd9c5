/** Breaches that show in what the ledger holds: the logs, the records, the event streams, and samples of them. */
import type { Item, NewItem, Part, Phase } from "@baton/core";
import type { EndedRun, History } from "./history.ts";
import type { Breach } from "./planted-breaches.ts";
import {
  addEvent,
  eventOf,
  eventsOf,
  found,
  placeOf,
  runOf,
  seenLonger,
  spliceItems,
  withRun,
} from "./planted-edits.ts";
import { result } from "./planted-history.ts";

const REPEATED: readonly Breach[] = [
  {
    invariant: "R1",
    what: "an item that was sent twice is written twice",
    plant: (history) =>
      spliceItems(history, "first", placeOf(history, "first", "tool_started"), (item) => [item, item]),
  },
  {
    invariant: "R1",
    what: "a retry is recorded that moved nothing",
    plant: (history) => {
      const { acts = [] } = history;
      const place = placeOf(history, "second", "record");
      const twice = spliceItems(history, "second", place, (item) => [item, { ...item, at: item.at + 1 }]);
      return { ...twice, acts: [...acts, ...acts.filter(({ did }) => did === "retry")] };
    },
  },
  {
    invariant: "R1",
    what: "a retry took effect that nobody asked for",
    plant: (history) => ({ ...history, acts: [] }),
  },
];

const FENCED: readonly Breach[] = [
  {
    invariant: "R2",
    what: "a worker that lost its claim is heard of after the next one began",
    plant: (history) => {
      const { id } = found(eventsOf(history, "first").findLast(({ event }) => event.type === "phase"));
      return addEvent(history, "first", id, { type: "text", epoch: 1, phase: 0, text: "I am still here" });
    },
  },
  {
    invariant: "R2",
    what: "an item of an old claim stands behind one of a newer",
    plant: (history) =>
      spliceItems(history, "first", placeOf(history, "first", "handoff"), (item) => [{ ...item, epoch: 1 }]),
  },
  {
    invariant: "R2",
    what: "an item was written under a fence that nobody claimed",
    plant: (history) => {
      const queued = found(eventsOf(history, "second").find(({ event }) => isMoveTo(event, "queued")));
      const started: NewItem = { role: "control", parts: [{ type: "tool_started", callId: "nobody's" }] };
      return spliceItems(history, "second", placeOf(history, "second", "record"), (item) => [
        item,
        { ...item, ...started, epoch: queued.event.epoch },
      ]);
    },
  },
  {
    invariant: "R2",
    what: "an item has an epoch that the run never came to",
    plant: (history) => withMore(history, "first", ({ run }) => ({ ...PAUSE, epoch: run.epoch + 1 })),
  },
  {
    invariant: "R2",
    what: "the epoch of a run falls",
    plant: (history) => withLastSample(history, { epoch: 0, status: "running" }),
  },
];

const REWRITTEN: readonly Breach[] = [
  {
    invariant: "R3",
    what: "an item is another at the end than it was when it was seen",
    plant: (history) =>
      withRun(history, "first", (ended) => ({
        ...ended,
        items: ended.items.map((item, place) => (place === 0 ? { ...item, at: item.at + 1 } : item)),
      })),
  },
  {
    invariant: "R3",
    what: "an item that was seen is gone",
    plant: (history) => seenLonger(history, "first", history.endedAt),
  },
  {
    invariant: "R3",
    what: "an item says that it stands elsewhere",
    plant: (history) =>
      withRun({ ...history, samples: [] }, "first", (ended) => ({
        ...ended,
        items: ended.items.map((item, place) => (place === 0 ? { ...item, seq: 1 } : item)),
      })),
  },
  {
    invariant: "R3",
    what: "the record counts more items than the log has",
    plant: (history) =>
      withRun(history, "first", (ended) => ({ ...ended, run: { ...ended.run, items: ended.run.items + 1 } })),
  },
  {
    invariant: "R3",
    what: "a reply that was told of is not where it was written",
    plant: (history) => {
      const { run } = runOf(history, "first");
      const events = history.events.map((seen) => {
        const event = eventOf(seen);
        if (seen.runId !== run.id || event.type !== "turn") return seen;
        return { ...seen, event: { ...event, item: event.item + 1 } };
      });
      return { ...history, events };
    },
  },
];

const ENDED: readonly Breach[] = [
  {
    invariant: "R6",
    what: "a run went on after its end, and the log does not say so",
    plant: (history) => spliceItems(history, "second", placeOf(history, "second", "record"), () => []),
  },
  {
    invariant: "R6",
    what: "something is written of a run that is over",
    plant: (history) => {
      const { event, id } = found(eventsOf(history, "first").at(-1));
      const notice = { type: "notice" as const, code: "late", message: "one more thing" };
      return addEvent(history, "first", id, { ...notice, epoch: event.epoch, phase: event.phase });
    },
  },
  {
    invariant: "R6",
    what: "a run that succeeded has failed",
    plant: (history) =>
      withRun({ ...history, samples: [] }, "first", (ended) => {
        const error = { code: "poison", message: "it was taken over too often" };
        const endedAt = history.endedAt;
        return { ...ended, run: { ...ended.run, status: "failed", endedAt, error } };
      }),
  },
  {
    invariant: "R6",
    what: "the log of a run that is over grows",
    plant: (history) => {
      const { samples } = history;
      return { ...withMore(history, "first", ({ run }) => ({ ...PAUSE, epoch: run.epoch })), samples };
    },
  },
];

const COMMITTED: readonly Breach[] = [
  {
    invariant: "R7",
    what: "a handoff is told of twice",
    plant: (history) => {
      const { event, id } = found(eventsOf(history, "first").find((one) => one.event.type === "handoff"));
      return addEvent(history, "first", id, event);
    },
  },
  {
    invariant: "R7",
    what: "a handoff is in the log twice",
    plant: (history) => {
      const place = placeOf(history, "first", "handoff");
      const twice = spliceItems(history, "first", place, (item) => [item, { ...item, at: item.at + 1 }]);
      return withPhases(twice, 1, (phases) => [...phases, { ...found(phases.at(-1)), seq: 2, turns: 0 }]);
    },
  },
  {
    invariant: "R7",
    what: "a handoff was counted that is not in the log",
    plant: (history) =>
      withPhases(history, 1, (phases) => [...phases, { ...found(phases.at(-1)), seq: 2, turns: 0 }]),
  },
  {
    invariant: "R7",
    what: "a phase was begun that nobody handed to",
    plant: (history) =>
      withPhases(history, 0, (phases) => [...phases, { ...found(phases.at(-1)), seq: 2, turns: 0 }]),
  },
  {
    invariant: "R7",
    what: "a phase is closed twice",
    plant: (history) => withPhases(history, 0, (phases) => phases.map((phase) => ({ ...phase, seq: 0 }))),
  },
  {
    invariant: "R7",
    what: "a counter moved twice",
    plant: (history) =>
      withRun(history, "first", (ended) => ({ ...ended, run: { ...ended.run, turns: ended.run.turns + 1 } })),
  },
  {
    invariant: "R7",
    what: "two moves made one epoch",
    plant: (history) => {
      const { run } = runOf(history, "second");
      const events = history.events.map((seen) => {
        const event = eventOf(seen);
        if (seen.runId !== run.id || !isMoveTo(event, "queued")) return seen;
        return { ...seen, event: { ...event, epoch: event.epoch - 1 } };
      });
      return { ...history, events };
    },
  },
  {
    invariant: "R7",
    what: "the ticket of a run falls",
    plant: (history) => withLastSample(history, { ticket: 0 }),
  },
];

const SAID: readonly Breach[] = [
  {
    invariant: "conversation",
    what: "a call has no result",
    plant: (history) => spliceItems(history, "first", placeOf(history, "first", "tool_result"), () => []),
  },
  {
    invariant: "conversation",
    what: "a result answers no call",
    plant: (history) =>
      spliceItems(history, "first", placeOf(history, "first", "tool_result"), (item) => [
        item,
        { ...item, ...result("look", "nobody's") },
      ]),
  },
  {
    invariant: "conversation",
    what: "a provider refused a request as malformed",
    plant: (history) => {
      const { soldAt: _soldAt, ...first } = found(history.purchases[0]);
      const refused = { ...first, nonce: "refused", invalid: "roles must alternate" };
      return { ...history, purchases: [...history.purchases, refused] };
    },
  },
  {
    invariant: "conversation",
    what: "a provider would refuse a request",
    plant: (history) =>
      spliceItems(history, "first", placeOf(history, "first", "tool_call"), (item) => [
        { ...item, parts: item.parts.map(damaged) },
      ]),
  },
  {
    invariant: "conversation",
    what: "a handoff went to another than it was to",
    plant: (history) =>
      spliceItems(history, "first", placeOf(history, "first", "handoff"), (item) => [
        {
          ...item,
          parts: item.parts.map((part) => (part.type === "handoff" ? { ...part, to: part.from } : part)),
        },
      ]),
  },
  {
    invariant: "conversation",
    what: "a model spoke in the phase of another",
    plant: (history) => {
      const place = runOf(history, "first").items.length - 1;
      return spliceItems(history, "first", place, (item) => [{ ...item, phase: 0 }]);
    },
  },
  {
    invariant: "conversation",
    what: "an item belongs to a phase that is over",
    plant: (history) => withMore(history, "first", ({ run }) => ({ ...PAUSE, epoch: run.epoch, phase: 0 })),
  },
  {
    invariant: "conversation",
    what: "a run succeeded while its user had the last word",
    plant: (history) =>
      withMore(history, "first", ({ run }) => ({
        epoch: run.epoch,
        role: "user",
        parts: [{ type: "text", text: "And then?" }],
      })),
  },
];

export const BREACHES_OF_LEDGER: readonly Breach[] = [
  ...[...REPEATED, ...FENCED, ...REWRITTEN, ...ENDED, ...COMMITTED, ...SAID],
];

const PAUSE: NewItem = { role: "control", parts: [{ type: "record", act: "pause", detail: {} }] };

/** An item more at the end of the log; it stands in no sample. */
function withMore(history: History, mark: string, more: (ended: EndedRun) => Partial<Item>): History {
  const ended = runOf(history, mark);
  const place = ended.items.length - 1;
  return spliceItems(history, mark, place, (last) => {
    const { origin: _origin, usage: _usage, stopReason: _stopReason, ...stamp } = last;
    return [last, { ...stamp, ...more(ended) }];
  });
}

/** What was seen last of `first`, before its end. */
function withLastSample(history: History, change: Partial<History["samples"][number]>): History {
  const { run } = runOf(history, "first");
  const own = history.samples.filter(({ runId }) => runId === run.id);
  const last = found(own.findLast(({ status }) => status === "running"));
  const kept = history.samples.filter((sample) => sample.runId !== run.id || sample.at <= last.at);
  return { ...history, samples: [...kept, { ...last, ...change, at: last.at + 1 }] };
}

function withPhases(
  history: History,
  moreHandoffs: number,
  change: (phases: readonly Phase[]) => readonly Phase[],
): History {
  return withRun(history, "first", ({ run, ...ended }) => {
    const handoffs = run.handoffs + moreHandoffs;
    return { ...ended, run: { ...run, handoffs, phases: [...change(run.phases)] } };
  });
}

function isMoveTo(event: ReturnType<typeof eventOf>, status: "queued"): boolean {
  return event.type === "status" && event.status === status;
}

/** What the vendor gave goes back word for word: so does what was cut off of it. */
function damaged(part: Part, index: number): Part {
  if (part.type === "text") {
    const content = [{ type: "output_text", text: part.text, annotations: [] }];
    return {
      ...part,
      native: { type: "message", id: `msg_P_${index}`, role: "assistant", status: "completed", content },
    };
  }
  if (part.type !== "tool_call") return part;
  const { callId: call_id, name } = part;
  return {
    ...part,
    native: {
      type: "function_call",
      id: `fc_P_${index}`,
      call_id,
      name,
      arguments: "{",
      status: "completed",
    },
  };
}
