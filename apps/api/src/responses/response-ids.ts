/**
 * Ids of responses and of the items in them. A response is a run seen by OpenAI's clients, so its id holds the run's;
 * ids of items hold it too, so that an item which comes back in an input tells where it is from.
 */
import { type RunId, runIdSchema } from "@baton/core";

const PREFIX = "resp_";

export function responseIdOf(runId: RunId): string {
  return `${PREFIX}${runId}`;
}

/** The run of a response; undefined for what is no such id. A run's own id does as well. */
export function runOfResponse(id: string): RunId | undefined {
  const runId = runIdSchema.safeParse(id.startsWith(PREFIX) ? id.slice(PREFIX.length) : id);
  return runId.success ? runId.data : undefined;
}

const ITEM_KINDS = ["msg", "rs", "mcp", "fc"] as const;
export type ItemKind = (typeof ITEM_KINDS)[number];

export interface NamedItem {
  readonly kind: ItemKind;
  readonly runId: RunId;
}

export function itemIdOf(kind: ItemKind, runId: RunId, place: number): string {
  return `${kind}_${runId}_${place}`;
}

/** What the id of an item tells; undefined for what is no such id. */
export function itemOfId(id: unknown): NamedItem | undefined {
  for (const kind of ITEM_KINDS) {
    const runId = runOfItem(kind, id);
    if (runId !== undefined) return { kind, runId };
  }
  return undefined;
}

/** The run that an item of this kind came from. */
export function runOfItem(kind: ItemKind, id: unknown): RunId | undefined {
  if (typeof id !== "string" || !id.startsWith(`${kind}_`)) return undefined;
  const runId = runIdSchema.safeParse(id.slice(kind.length + 1, id.lastIndexOf("_")));
  return runId.success ? runId.data : undefined;
}
