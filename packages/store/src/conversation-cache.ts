/**
 * Conversations that this process committed and may soon claim again: where one process serves several pools, or
 * tries a phase again, the log need not be read back. A kept conversation is good only while the record still has
 * the mark of that very commit and the length that it left (checked by the claim, in Redis): then nothing was
 * written since, not even by a Redis that went back in time.
 */
import type { Item, Part, RunId } from "@baton/core";

export interface KeptConversation {
  /** `<ticket>/<claim>` of the commit that left it, and the length, as the claim script compares them. */
  readonly mark: string;
  readonly items: readonly Item[];
}

/** Bounds of the whole cache, and of what is worth keeping. */
const CHARS_MAX = 16_000_000;
const ENTRY_CHARS_MAX = 256_000;
const ENTRIES_MAX = 5_000;

export class ConversationCache {
  readonly #kept = new Map<RunId, KeptConversation & { readonly chars: number }>();
  #chars = 0;

  keep(id: RunId, kept: KeptConversation): void {
    this.take(id);
    const chars = charsOf(kept.items);
    if (chars > ENTRY_CHARS_MAX) return;
    this.#kept.set(id, { ...kept, chars });
    this.#chars += chars;
    // The oldest go first: what was not claimed here by now is claimed elsewhere.
    for (const oldest of this.#kept.keys()) {
      if (this.#chars <= CHARS_MAX && this.#kept.size <= ENTRIES_MAX) return;
      this.take(oldest);
    }
  }

  /** Gives what was kept of a run, and forgets it: the next commit keeps it anew. */
  take(id: RunId): KeptConversation | undefined {
    const kept = this.#kept.get(id);
    if (kept === undefined) return undefined;
    this.#kept.delete(id);
    this.#chars -= kept.chars;
    return kept;
  }
}

/** About how many characters the items hold: texts and files, which are what can be large. */
function charsOf(items: readonly Item[]): number {
  let chars = 0;
  for (const item of items) for (const part of item.parts) chars += 200 + charsOfPart(part);
  return chars;
}

function charsOfPart(part: Part): number {
  switch (part.type) {
    case "text":
    case "reasoning":
      return part.text.length + (part.native === undefined ? 0 : ENTRY_CHARS_MAX / 16);
    case "file":
      return part.source.kind === "base64" ? part.source.data.length : part.source.url.length;
    case "tool_result":
      return part.content.reduce((sum, content) => sum + charsOfPart(content), 0);
    case "handoff":
      return part.brief.length + part.reason.length;
    case "tool_call":
    case "tool_started":
    case "record":
      return JSON.stringify(part).length;
  }
}
