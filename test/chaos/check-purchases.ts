/**
 * R5 for models: a reply that was written is never bought again, each reply of a log was sold, and what was sold and
 * never written is not more than what was in flight when something broke.
 */
import { type Item, textOf } from "@baton/core";
import { BEAT_MS, breach, isAfterReturn, isReply, type RunStory, type Story } from "./check-story.ts";
import type { History, Purchase, Violation } from "./history.ts";

export interface PurchaseAccount {
  /** Purchases of places whose reply was written already. */
  readonly boughtAgain: readonly { readonly story: RunStory; readonly purchase: Purchase }[];
  /** The same, by a worker that had just come back. */
  readonly late: readonly Purchase[];
  /** Sold whole, and not in the log. */
  readonly duplicates: readonly { readonly story: RunStory; readonly purchase: Purchase }[];
}

/** A reply in the log, as a provider counts them. */
interface Place {
  readonly item: Item;
  readonly text: string;
  /** Replies that the request for it held. */
  readonly before: number;
  /** When it was there for sure; infinite when nobody saw it before the end. */
  readonly writtenAt: number;
}

export function checkPurchases(story: Story): readonly Violation[] {
  const account = accountOf(story);
  return [
    ...account.boughtAgain.map(({ story: run, purchase }) =>
      breach("R5", run, `${nameOf(purchase)} was bought again after it was written`),
    ),
    ...story.runs
      .filter(({ isOnly }) => isOnly)
      .flatMap((run) => [...checkSold(run), ...checkKnown(run, story)]),
    ...checkDuplicates(story, account),
  ];
}

export function accountOf({ history, runs }: Story): PurchaseAccount {
  const boughtAgain: { story: RunStory; purchase: Purchase }[] = [];
  const late: Purchase[] = [];
  const duplicates: { story: RunStory; purchase: Purchase }[] = [];
  for (const story of runs.filter(({ isOnly }) => isOnly)) {
    const shown = placesOf(story);
    for (const purchase of story.purchases) {
      const writtenAt = writtenBefore(purchase, shown, story);
      if (writtenAt !== undefined) {
        if (isAfterReturn(purchase, writtenAt, history.faults)) late.push(purchase);
        else boughtAgain.push({ story, purchase });
      }
      const isInLog = shown.places.some(({ text }) => holds(text, purchase.nonce));
      if (isSold(purchase) && !isInLog) duplicates.push({ story, purchase });
    }
  }
  return { boughtAgain, late, duplicates };
}

/**
 * When the place that `purchase` is for was written, if that was before. After a `brief` handoff providers count anew,
 * so several places may fit: then the model tells them apart, and what is left of the doubt is the run's.
 */
function writtenBefore(purchase: Purchase, { places, next }: Places, story: RunStory): number | undefined {
  const { at, replies } = purchase;
  const fitting = places.filter(({ before }) => before === replies);
  const own = fitting.filter(({ item }) => isModel(item.origin?.model, purchase));
  const likely = own.length > 0 ? own : fitting;
  const isNext = replies === next && (own.length === 0 || isModel(story.run.model, purchase));
  if (likely.length === 0 || isNext || !likely.every(({ writtenAt }) => writtenAt < at)) return undefined;
  return Math.max(...likely.map(({ writtenAt }) => writtenAt));
}

/** Providers know a model by the name behind its provider's. */
function isModel(id: string | undefined, { model }: Purchase): boolean {
  return id !== undefined && (id === model || id.endsWith(`/${model}`));
}

interface Places {
  readonly places: readonly Place[];
  /** What a request at the end of the log would hold. */
  readonly next: number;
}

/** Replies of its own: those of a conversation that it went on from were bought for that one. */
function placesOf({ run, items, events, samples }: RunStory): Places {
  const toldAt = new Map<number, number>();
  for (const { at, event } of events) if (event.type === "turn") toldAt.set(event.item, at);
  const places: Place[] = [];
  let before = 0;
  for (const [seq, item] of items.entries()) {
    // Nothing from before it is shown to the next model.
    if (item.parts.some((part) => part.type === "handoff" && part.context === "brief")) before = 0;
    if (seq < (run.forkedFrom?.items ?? 0) || !isReply(item) || !speaks(item)) continue;
    const sampledAt = samples.find(({ digests }) => digests.length > seq)?.at ?? Number.POSITIVE_INFINITY;
    places.push({
      item,
      text: JSON.stringify(item.parts),
      before,
      writtenAt: Math.min(toldAt.get(seq) ?? Number.POSITIVE_INFINITY, sampledAt),
    });
    before += 1;
  }
  return { places, next: before };
}

/** What says nothing is shown to no model, so providers do not count it. */
function speaks(item: Item): boolean {
  return textOf(item).trim() !== "" || item.parts.some((part) => part.type === "tool_call");
}

/** Whether the nonce stands in `text` as a word of its own: 7 is not in 17. */
function holds(text: string, nonce: string): boolean {
  const isWord = (char: string | undefined) => char !== undefined && /[A-Za-z0-9]/.test(char);
  for (let at = text.indexOf(nonce); at >= 0; at = text.indexOf(nonce, at + 1)) {
    if (!isWord(text[at - 1]) && !isWord(text[at + nonce.length])) return true;
  }
  return false;
}

function isSold({ soldAt, fault, invalid }: Purchase): boolean {
  return soldAt !== undefined && fault === undefined && invalid === undefined;
}

function checkSold(story: RunStory): readonly Violation[] {
  const found: Violation[] = [];
  const seen = new Map<string, Item>();
  for (const { item, text } of placesOf(story).places) {
    const bought = story.purchases.find(({ nonce }) => holds(text, nonce));
    if (bought === undefined || !isSold(bought)) {
      const why = bought === undefined ? "nobody sold" : "was not sold whole";
      found.push(breach("R5", story, `the log has a reply that ${why}: item ${item.seq}`));
      continue;
    }
    const first = seen.get(bought.nonce);
    // The same item once more is not a reply that was bought, but a write that was made twice (R1).
    if (first !== undefined && first.at !== item.at) {
      found.push(breach("R5", story, `${nameOf(bought)} is in the log as ${first.seq} and ${item.seq}`));
    }
    seen.set(bought.nonce, item);
  }
  return found;
}

/** Each request was made of a conversation that is in the log, if it was not lost with it. */
function checkKnown(story: RunStory, { losses }: Story): readonly Violation[] {
  const most = Math.max(0, ...placesOf(story).places.map(({ before }) => before + 1));
  return story.purchases.flatMap((purchase) => {
    const isForgiven = losses.some(({ from, to }) => purchase.at >= from && purchase.at <= to + 2 * BEAT_MS);
    if (purchase.replies <= most || isForgiven) return [];
    return [
      breach(
        "R3",
        story,
        `a model was shown ${purchase.replies} replies, the log never had more than ${most}`,
      ),
    ];
  });
}

function checkDuplicates(story: Story, { duplicates, late }: PurchaseAccount): readonly Violation[] {
  const found: Violation[] = [];
  for (const [run, some] of Map.groupBy(duplicates, (duplicate) => duplicate.story)) {
    // A claim makes one model call at a time, and loses no more than that one with its fence.
    const claims = new Set(run.events.flatMap(({ event }) => (event.type === "phase" ? [event.epoch] : [])))
      .size;
    const lost = some.filter(({ purchase }) => isLostWith(purchase, story)).length;
    if (some.length - lost > claims) {
      found.push(
        breach("R5", run, `${some.length} replies were sold and not written, under ${claims} claims`),
      );
    }
  }
  const bound = inFlight(story.history) + stoppedRuns(story) + late.length;
  const lost = duplicates.filter(({ purchase }) => isLostWith(purchase, story)).length;
  const [first] = duplicates;
  if (first !== undefined && duplicates.length - lost > bound) {
    const what = `${duplicates.length} replies were sold and not written, ${bound} were in flight when it broke`;
    found.push(
      breach("R5", { id: "" }, `${what}; the first is ${nameOf(first.purchase)} of ${first.story.id}`),
    );
  }
  return found;
}

/** Calls that a fault may have taken the writer from: those in flight, or about to be made for a run that it held. */
function inFlight({ faults }: History): number {
  return faults.reduce((sum, fault) => sum + Math.max(fault.inFlight, fault.held.length), 0);
}

/** Runs that were ended from outside, perhaps in the middle of a reply. */
function stoppedRuns({ runs }: Story): number {
  return runs
    .flatMap(({ events }) => events)
    .filter(
      ({ event }) =>
        event.type === "status" &&
        (event.status === "cancelled" || /^(deadline|phase_timeout)$/.test(event.error?.code ?? "")),
    ).length;
}

function isLostWith({ soldAt }: Purchase, { losses }: Story): boolean {
  return (
    soldAt !== undefined && losses.some(({ from, to }) => soldAt >= from - BEAT_MS && soldAt <= to + BEAT_MS)
  );
}

function nameOf({ replies, nonce }: Purchase): string {
  return `the reply ${replies} (${nonce})`;
}
