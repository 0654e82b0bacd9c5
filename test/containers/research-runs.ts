/** Runs of research and writing, and the comparison of what their models sold with what their conversations hold. */
import type { Run, RunId } from "@baton/core";
import { comparePurchases, type Purchases, type SimulatedModels, specOf, TOPICS } from "@baton/demo";
import type { Producer } from "@baton/producer";
import { until } from "../support/until.ts";

/** Submits so many; no two of them ask the models for the same words, so that buying twice can be told. */
export async function submitResearch(producer: Producer, count: number, mark: string): Promise<RunId[]> {
  const ids: RunId[] = [];
  for (let number = 0; number < count; number += 1) {
    const topic = TOPICS[number % TOPICS.length];
    if (topic === undefined) throw new Error("there are no topics");
    const subject = `${topic.subject}, ${mark} volume ${number}`;
    ids.push((await producer.submit(specOf({ ...topic, subject }))).runId);
  }
  return ids;
}

export async function readRuns(producer: Producer, ids: readonly RunId[]): Promise<Run[]> {
  const views = await Promise.all(ids.map((id) => producer.get(id)));
  return views.map(({ run }) => run);
}

/** How many have each status. */
export function statusesOf(runs: readonly Run[]): Partial<Record<Run["status"], number>> {
  const counts: Partial<Record<Run["status"], number>> = {};
  for (const { status } of runs) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

/** The runs, once all of them are terminal. */
export async function ended(producer: Producer, ids: readonly RunId[], withinMs: number): Promise<Run[]> {
  let latest: readonly Run[] = [];
  return until(
    async () => {
      latest = await readRuns(producer, ids);
      return latest.every((run) => "endedAt" in run) && [...latest];
    },
    { what: `the end of ${ids.length} runs`, withinMs },
  ).catch((error: unknown) => {
    throw new Error(`not all ended: ${JSON.stringify(statusesOf(latest))}`, { cause: error });
  });
}

/** R5, by the journal of the models and the ledger. */
export async function purchasesOf(
  models: SimulatedModels,
  producer: Producer,
  ids: readonly RunId[],
): Promise<Purchases> {
  const conversations = await Promise.all(ids.map((id) => producer.conversation(id)));
  const replies = conversations.flat().flatMap(({ origin }) => origin?.responseId ?? []);
  return comparePurchases(models.journal(), replies);
}
