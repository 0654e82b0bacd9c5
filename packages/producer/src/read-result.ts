/** The result of a run, told from its record and its conversation. */
import { type Item, type Part, type Run, type RunResult, type RunSpec, resultOf } from "@baton/core";
import type { RunControl } from "./run-control.ts";

type Source = Pick<RunControl, "conversation">;

/** What tools give may be large: a page of a conversation for a reader ends there. */
export const CONVERSATION_PAGE_BYTES = 8 * 1024 * 1024;

/** Of a conversation that is gone through. Hardly one has more, and a packed one is unpacked anew for each page. */
const WALK_PAGE_BYTES = 8 * CONVERSATION_PAGE_BYTES;

export async function readResult(ledger: Source, run: Run, spec: RunSpec): Promise<RunResult> {
  const format = spec.response_format?.type;
  const parseJson = format === "json_object" || format === "json_schema";
  return resultOf(run, await readReplies(ledger, run), { parseJson });
}

/** All that a result is told from: what tools gave is much more, and is left out on the way. */
export async function readReplies(source: Source, run: Pick<Run, "id" | "items">): Promise<readonly Item[]> {
  const replies: Item[] = [];
  for await (const page of walk(source, run)) {
    replies.push(...page.filter(({ role }) => role === "assistant"));
  }
  return replies;
}

/** Whether the run's conversation has such a part. */
export async function hasPart(
  source: Source,
  run: Pick<Run, "id" | "items">,
  isMeant: (part: Part) => boolean,
): Promise<boolean> {
  for await (const page of walk(source, run)) {
    if (page.some(({ parts }) => parts.some(isMeant))) return true;
  }
  return false;
}

async function* walk(
  source: Source,
  run: Pick<Run, "id" | "items">,
): AsyncGenerator<readonly Item[], void, void> {
  for (let from = 0; from < run.items; ) {
    const page = await source.conversation(run.id, from, run.items - 1, WALK_PAGE_BYTES);
    // The run is gone.
    if (page.length === 0) return;
    yield page;
    from += page.length;
  }
}
