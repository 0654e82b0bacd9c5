/**
 * What came of the demo, by the ledger: the result of each run, and the comparison of what the simulated models
 * sold with what stands in the conversations.
 */
import { type Item, type Run, type RunId, type RunResult, resultOf } from "@baton/core";
import type { Producer } from "@baton/producer";
import { comparePurchases, type JournalEntry, type Purchases, type Topic } from "../index.ts";
import type { StrikeReport } from "./strike.ts";

export interface ToolUse {
  readonly name: string;
  /** As JSON. */
  readonly arguments: string;
}

export interface RunOutcome {
  readonly topic: Topic;
  /** Its `custom_id` is the topic's id. */
  readonly result: RunResult;
  readonly toolUses: readonly ToolUse[];
  /** Workers that were lost while they had it. */
  readonly takeovers: number;
  /** From the first claim to the end. */
  readonly workedMs: number;
}

export interface DemoOutcome {
  readonly runs: readonly RunOutcome[];
  readonly purchases: Purchases;
  /** Of the replies that were sold and not written, those that the killed worker was waiting for. */
  readonly inFlightAtKill: number;
  readonly strike: StrikeReport | undefined;
  readonly elapsedMs: number;
}

export interface AuditOptions {
  readonly topics: ReadonlyMap<RunId, Topic>;
  readonly producer: Pick<Producer, "get" | "conversation">;
  readonly journal: readonly JournalEntry[];
  readonly strike: StrikeReport | undefined;
  readonly elapsedMs: number;
}

export async function audit(options: AuditOptions): Promise<DemoOutcome> {
  const { topics, producer, journal, strike, elapsedMs } = options;
  const runs: RunOutcome[] = [];
  const replies = new Map<string, RunId>();
  for (const [runId, topic] of topics) {
    const [{ run }, items] = await Promise.all([producer.get(runId), producer.conversation(runId)]);
    runs.push(outcomeOf(topic, run, items));
    for (const { origin } of items)
      if (origin?.responseId !== undefined) replies.set(origin.responseId, runId);
  }
  return {
    runs,
    purchases: comparePurchases(journal, replies.keys()),
    inFlightAtKill: strike === undefined ? 0 : inFlight(journal, replies, strike),
    strike,
    elapsedMs,
  };
}

/** Every promise of the demo, kept: the exit code. */
export function isGood({ runs, purchases, strike }: DemoOutcome): boolean {
  return (
    runs.every(({ result }) => result.status === "succeeded" && result.final_output) &&
    strike !== undefined &&
    strike.runs.size > 0 &&
    [...strike.runs.values()].every((wentOnAfterMs) => wentOnAfterMs !== undefined) &&
    purchases.boughtAgain === 0 &&
    purchases.unknown === 0
  );
}

/** Replies that were lost, asked for again by a run which the dead worker had, and asked for before it went on. */
function inFlight(
  journal: readonly JournalEntry[],
  replies: ReadonlyMap<string, RunId>,
  strike: StrikeReport,
): number {
  const answered = new Map<string, RunId>();
  for (const { fingerprint, responseId } of journal) {
    const runId = replies.get(responseId);
    if (runId !== undefined) answered.set(fingerprint, runId);
  }
  return journal.filter(({ at, fingerprint, responseId }) => {
    const runId = answered.get(fingerprint);
    const wentOnAfterMs = runId === undefined ? undefined : strike.runs.get(runId);
    return !replies.has(responseId) && wentOnAfterMs !== undefined && at <= strike.at + wentOnAfterMs;
  }).length;
}

function outcomeOf(topic: Topic, run: Run, items: readonly Item[]): RunOutcome {
  const { id, ...result } = resultOf(run, items);
  const starts = run.phases.flatMap((phase) => phase.startedAt ?? []);
  const ends = run.phases.flatMap((phase) => phase.endedAt ?? []);
  return {
    topic,
    result: { id, custom_id: topic.id, ...result },
    toolUses: items.flatMap(toolUsesOf),
    takeovers: run.takeovers,
    workedMs: starts.length === 0 || ends.length === 0 ? 0 : Math.max(...ends) - Math.min(...starts),
  };
}

function toolUsesOf(item: Item): ToolUse[] {
  return item.parts.flatMap((part) => {
    if (part.type !== "tool_call" || part.name.startsWith("transfer_to_")) return [];
    const text = part.arguments.kind === "object" ? JSON.stringify(part.arguments.value) : part.arguments.raw;
    return [{ name: part.name, arguments: text }];
  });
}
