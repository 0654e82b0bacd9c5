/**
 * The answer of a run as it is written, for clients that can only append: what they put together is, when the run ends,
 * what the answer that is not streamed says.
 *
 *   A1. Text is sent as it comes, but a turn that can still be followed by another (tools run here, a model can be
 *       handed to) holds its first characters back. Short words before a tool call or a handoff are thereby told as
 *       reasoning and never as content. Longer ones were sent when it turns out that they were not the answer: the next
 *       turn then begins a new paragraph.
 *   A2. When an attempt fails or its worker is lost, what was sent of it stands at the client. The new attempt is
 *       compared with it: as long as it says the same nothing is sent, then only what is new. Where it says something
 *       else, a `withdrawn` event tells how many characters of content, counted from the last one back, are void, and
 *       the new text begins a new paragraph, for readers that know nothing of that.
 *   A3. A turn whose text is of use only as a whole (JSON, or a client that asked for it) is held until it is written:
 *       then nothing is ever withdrawn. So is one whose beginning is no longer known when the watch begins.
 *   A4. Who asks for the work, too, is told the tools that ran, in the order of their results, what was thought in turns
 *       that were not watched, and where a turn ends that is not the answer's: all that makes the output of a response.
 *   A5. A pair of UTF-16 units is never torn: its first half waits for the second, since not every client can put them
 *       together again.
 *
 * It is told of every event of one run in order. A snapshot, with which each watch begins, holds no void text.
 */
import {
  type Item,
  isReply,
  type ModelId,
  type Run,
  type RunEvent,
  type ToolCallPart,
  type ToolResultPart,
  textOf,
} from "@baton/core";
import { callsOf } from "./run-ending.ts";
import { ranHere } from "./tool-runs.ts";

export type AnswerEvent = { readonly model: ModelId } & (
  | { readonly kind: "text"; readonly text: string }
  /** `isAside`: it was said to whoever reads, before something else was done. */
  | { readonly kind: "reasoning"; readonly text: string; readonly isAside?: true }
  /** So many characters of text, from the last one back, are void. */
  | { readonly kind: "withdrawn"; readonly chars: number }
  /** Calls of the caller's own functions; the run ends with them. */
  | { readonly kind: "calls"; readonly calls: readonly ToolCallPart[] }
  | WorkEvent
);

/** What is told beside the answer (A4). */
type WorkEvent =
  /** A tool ran at a worker. */
  | { readonly kind: "ran"; readonly call: ToolCallPart; readonly result: ToolResultPart }
  /** A turn is over that was not the answer; text that was sent of it is none of the answer's. */
  | { readonly kind: "passed" };

export interface AnswerStreamOptions {
  readonly run: Pick<Run, "model" | "forkedFrom">;
  readonly clientTools: ReadonlySet<string>;
  /** Whether a turn can be followed by another one. */
  readonly goesOn: boolean;
  /** Text is of use as a whole only (A3). */
  readonly whole: boolean;
  /** Reads an item of the log by its place. */
  readonly readItem: (seq: number) => Promise<Item | undefined>;
  /** Reads the log from a place on. Given: the work is told, too (A4). */
  readonly readItems?: ((from: number) => Promise<readonly Item[]>) | undefined;
}

type SnapshotEvent = Extract<RunEvent, { type: "snapshot" }>;

/** Held back of a turn that can be followed by another: about two sentences. */
export const HELD_CHARS_MAX = 240;
const PARAGRAPH = "\n\n";

export class AnswerStream {
  readonly #options: AnswerStreamOptions;
  #model: ModelId;
  /** Content of the open turn that the client has. */
  #sent = "";
  /** What the attempt under way has said. */
  #said = "";
  /** Said, but not sent: the first half of a pair (A5). */
  #half = "";
  /** Calls of the last reply, by their ids. */
  #calls: ReadonlyMap<string, ToolCallPart> = new Map();
  /** Something of what the turn thought was sent. */
  #hasThought = false;
  #reasoningHalf = "";
  /** The beginning of what the attempt has said is not known (A3). */
  #isCut = false;
  /** The attempt has said all that was sent, so that what comes is new. */
  #isLive = true;
  /** The client has content of an earlier turn. */
  #begun = false;
  /** Items of the log before this one were told. */
  #nextItem: number;

  constructor(options: AnswerStreamOptions) {
    this.#options = options;
    this.#model = options.run.model;
    this.#nextItem = options.run.forkedFrom?.items ?? 0;
  }

  async onEvent(event: RunEvent): Promise<readonly AnswerEvent[]> {
    switch (event.type) {
      case "text":
        this.#said += event.text;
        return this.#isLive ? this.#send(event.text) : this.#catchUp();
      case "reasoning":
        return this.#think(event.text);
      case "turn": {
        if (event.item < this.#nextItem) return [];
        const item = await this.#options.readItem(event.item);
        return item === undefined ? [] : this.#reply(item);
      }
      case "phase":
      case "status":
        this.#model = event.model;
        this.#restart("");
        return [];
      case "withdrawn":
        this.#restart("");
        return [];
      case "snapshot":
        return this.#snapshot(event);
      case "tool_end":
        return this.#ran((await this.#options.readItems?.(this.#nextItem)) ?? []);
      case "tool_start":
      case "handoff":
      case "notice":
        return [];
    }
  }

  /** The attempt that was under way is void; what was sent of it stands. */
  #restart(said: string): void {
    this.#said = said;
    this.#half = "";
    this.#reasoningHalf = "";
    this.#isCut = false;
    this.#isLive = this.#sent === "";
  }

  #think(text: string): readonly AnswerEvent[] {
    const [whole, half] = beforeHalf(this.#reasoningHalf + text);
    this.#reasoningHalf = half;
    this.#hasThought ||= whole !== "";
    return whole === "" ? [] : [{ kind: "reasoning", text: whole.toWellFormed(), model: this.#model }];
  }

  /** Text that continues what was sent. */
  #send(text: string): readonly AnswerEvent[] {
    if (text === "" || this.#options.whole || this.#isCut) return [];
    const isFirst = this.#sent === "";
    if (isFirst && this.#options.goesOn && this.#said.length < HELD_CHARS_MAX) return [];
    // What was held goes first.
    const [whole, half] = beforeHalf(isFirst ? this.#said : this.#half + text);
    this.#half = half;
    return whole === "" ? [] : this.#emit(whole);
  }

  /** `said`: with no pair torn at its ends. A half within it is written as U+FFFD, as in the log. */
  #emit(said: string): readonly AnswerEvent[] {
    const text = said.toWellFormed();
    const paragraph = this.#sent === "" && this.#begun ? PARAGRAPH : "";
    this.#sent += text;
    return [{ kind: "text", text: paragraph + text, model: this.#model }];
  }

  /** A2: the attempt says again what was sent, or something else. */
  #catchUp(): readonly AnswerEvent[] {
    if (this.#isCut) return [];
    if (this.#sent.startsWith(this.#said)) {
      this.#isLive = this.#said.length === this.#sent.length;
      return [];
    }
    if (!this.#said.startsWith(this.#sent)) return [...this.#withdraw(), ...this.#send(this.#said)];
    this.#isLive = true;
    return this.#send(this.#said.slice(this.#sent.length));
  }

  #withdraw(): readonly AnswerEvent[] {
    // The break that readers see who know nothing of it is void with the rest.
    const chars = this.#sent.length + PARAGRAPH.length;
    const model = this.#model;
    this.#sent = "";
    this.#half = "";
    this.#isLive = true;
    this.#begun = false;
    return [
      { kind: "text", text: PARAGRAPH, model },
      { kind: "withdrawn", chars, model },
    ];
  }

  /** A reply that was written; `isFollowed`: by another one, as when the run was retried behind it. */
  #reply(item: Item, isFollowed = false): readonly AnswerEvent[] {
    this.#model = item.origin?.model ?? this.#model;
    const model = this.#model;
    const text = textOf(item).toWellFormed();
    const calls = callsOf(item, this.#options.clientTools);
    const others = item.parts.some((part) => part.type === "tool_call") && calls.length === 0;
    // What a model says instead of an answer is told as its refusal, when the run ends with it.
    const isRefusal = item.stopReason === "refusal";
    const isLast = !others && !isFollowed && item.stopReason !== "pause_turn";
    const held = this.#sent === "" && text !== "";
    const events: AnswerEvent[] = [...this.#thoughtsOf(item)];
    if (isLast ? !(held && isRefusal) : !held) events.push(...this.#correctTo(text));
    else if (!isRefusal) events.push({ kind: "reasoning", text, model, isAside: true });
    if (calls.length > 0) events.push({ kind: "calls", calls, model });
    if (this.#options.readItems !== undefined && !isLast) events.push({ kind: "passed", model });
    this.#calls = callsById(item);
    this.#hasThought = false;
    this.#begun ||= this.#sent !== "";
    this.#sent = "";
    this.#restart("");
    this.#nextItem = item.seq + 1;
    return events;
  }

  /** What the reply thought, where nothing of it was sent while it came. */
  #thoughtsOf({ parts }: Item): readonly AnswerEvent[] {
    if (this.#options.readItems === undefined || this.#hasThought) return [];
    const text = parts.map((part) => (part.type === "reasoning" ? part.text : "")).join("");
    return text === "" ? [] : [{ kind: "reasoning", text, model: this.#model }];
  }

  /** Results that stand at the beginning of `items`, which the log has behind what was told. */
  #ran(items: readonly Item[]): readonly AnswerEvent[] {
    const events: AnswerEvent[] = [];
    for (const item of items) {
      if (isReply(item)) break;
      this.#nextItem = item.seq + 1;
      for (const result of item.parts) {
        const call = result.type === "tool_result" ? this.#calls.get(result.callId) : undefined;
        if (result.type !== "tool_result" || call === undefined) continue;
        if (!ranHere(result, this.#options.clientTools)) continue;
        events.push({ kind: "ran", call, result, model: this.#model });
      }
    }
    return events;
  }

  /** Makes what was sent of this turn the given text. */
  #correctTo(text: string): readonly AnswerEvent[] {
    if (text === this.#sent) return [];
    if (text.startsWith(this.#sent)) return this.#emit(text.slice(this.#sent.length));
    return [...this.#withdraw(), ...(text === "" ? [] : this.#emit(text))];
  }

  #snapshot({ items, partialText, partialCut, run }: SnapshotEvent): readonly AnswerEvent[] {
    const own = items.filter((item) => item.seq >= this.#nextItem);
    const last = own.findLastIndex(isReply);
    const events = own.flatMap((item, place) => {
      if (isReply(item)) return this.#reply(item, place < last);
      return this.#options.readItems === undefined ? [] : this.#ran([item]);
    });
    this.#nextItem = Math.max(this.#nextItem, items.length);
    this.#model = run.model;
    this.#restart(partialText);
    this.#isCut = partialCut === true;
    if (partialText === "") return events;
    return [...events, ...(this.#isLive ? this.#send(partialText) : this.#catchUp())];
  }
}

function callsById({ parts }: Item): ReadonlyMap<string, ToolCallPart> {
  return new Map(parts.flatMap((part) => (part.type === "tool_call" ? [[part.callId, part]] : [])));
}

const FIRST_HALF = /[\uD800-\uDBFF]$/;

/** The text up to the first half of a pair at its end, and that half. */
function beforeHalf(text: string): readonly [whole: string, half: string] {
  return FIRST_HALF.test(text.slice(-1)) ? [text.slice(0, -1), text.slice(-1)] : [text, ""];
}
