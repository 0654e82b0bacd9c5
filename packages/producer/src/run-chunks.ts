/**
 * The events of a run as chunks of a streamed chat completion, OpenAI's form, which the Dedalus runner yields.
 * One run is one stream of chunks with the run's id; `model` says which model speaks.
 *
 *   - Text comes as it is written. At the end of each turn it is held against the reply in the ledger, so that
 *     all text that was not withdrawn is, at any turn's end, exactly what the models said.
 *   - OpenAI's form cannot take text back. When an attempt fails, or its worker is lost, a chunk with an empty
 *     delta says by `baton.withdrawn` how many characters of content, counted from the last one back, are void;
 *     a reader that does not know of it reads on. `textOfChunks` shows the rule.
 *   - A snapshot may have lost the beginning of the text that is coming in. What comes of that text then has no place to
 *     go, so nothing of it is told until its turn is written, which brings it whole.
 *   - Calls of tools come whole, after their turn; `finish_reason` is `tool_calls` when the caller must answer
 *     them, and stands in the last chunk otherwise. Handoffs are no tool calls here.
 */
import {
  type Item,
  isReply,
  type Run,
  type RunEvent,
  type StopReason,
  textOf,
  type Usage,
} from "@baton/core";

export interface ChunkToolCall {
  readonly index: number;
  readonly id: string;
  readonly type: "function";
  readonly function: { readonly name: string; readonly arguments: string };
}

export interface ChunkDelta {
  readonly role?: "assistant";
  readonly content?: string;
  /** What the model thinks, where it shows that; never part of the answer. */
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly ChunkToolCall[];
}

export interface ChunkUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
  readonly completion_tokens_details: { readonly reasoning_tokens: number };
}

export interface RunChunk {
  readonly id: string;
  readonly object: "chat.completion.chunk";
  /** Seconds since 1970. */
  readonly created: number;
  readonly model: string;
  readonly choices: readonly [
    {
      readonly index: 0;
      readonly delta: ChunkDelta;
      readonly finish_reason: "stop" | "length" | "tool_calls" | null;
    },
  ];
  /** Of the whole run, in the last chunk. */
  readonly usage?: ChunkUsage;
  readonly baton?: {
    readonly withdrawn: { readonly content_chars: number; readonly reasoning_chars: number };
  };
}

export interface ChunkerOptions {
  readonly run: Pick<Run, "id" | "createdAt" | "model">;
  /** Names of the caller's own tools. */
  readonly clientTools: ReadonlySet<string>;
  /** Reads an item of the log by its place. */
  readonly readItem: (seq: number) => Promise<Item | undefined>;
}

export interface Chunker {
  /** The chunks that an event makes. */
  onEvent(event: RunEvent): Promise<readonly RunChunk[]>;
  /** The last chunk, of a run that succeeded. */
  end(usage: Usage): RunChunk;
}

/** Begins a stream of chunks: told of every event of one run in order. */
export function createChunker(options: ChunkerOptions): Chunker {
  return new EventChunker(options);
}

/** The text that chunks add up to: content, less what was withdrawn. */
export function textOfChunks(chunks: Iterable<RunChunk>): string {
  let text = "";
  for (const { choices, baton } of chunks) {
    if (baton !== undefined) text = text.slice(0, text.length - baton.withdrawn.content_chars);
    text += choices[0].delta.content ?? "";
  }
  return text;
}

type SnapshotEvent = Extract<RunEvent, { type: "snapshot" }>;

class EventChunker implements Chunker {
  readonly #options: ChunkerOptions;
  #model: string;
  /** Content and reasoning of the turn that is coming in. */
  #content = "";
  #reasoning = "";
  /** The attempt that the content is of. */
  #epoch: number | undefined;
  /** The beginning of what the attempt has said is not known. */
  #isCut = false;
  #roleSent = false;
  /** Items of the log before this one were told. */
  #nextItem = 0;
  #stopReason: StopReason | undefined;

  constructor(options: ChunkerOptions) {
    this.#options = options;
    this.#model = options.run.model;
  }

  async onEvent(event: RunEvent): Promise<readonly RunChunk[]> {
    switch (event.type) {
      case "text":
        this.#epoch = event.epoch;
        return this.#isCut ? [] : this.#say(event.text);
      case "reasoning":
        return this.#think(event.text);
      case "turn":
        return this.#turn(event.item);
      case "phase":
      case "status": {
        const withdrawn = this.#withdraw();
        this.#model = event.model;
        return withdrawn;
      }
      case "withdrawn":
        return this.#withdraw();
      case "snapshot":
        return this.#snapshot(event);
      case "tool_start":
      case "tool_end":
      case "handoff":
      case "notice":
        return [];
    }
  }

  end({ inputTokens, outputTokens, cachedInputTokens, reasoningTokens }: Usage): RunChunk {
    return {
      ...this.#chunk({}, this.#stopReason === "length" ? "length" : "stop"),
      usage: {
        prompt_tokens: inputTokens,
        completion_tokens: outputTokens,
        total_tokens: inputTokens + outputTokens,
        prompt_tokens_details: { cached_tokens: cachedInputTokens },
        completion_tokens_details: { reasoning_tokens: reasoningTokens },
      },
    };
  }

  #say(text: string): readonly RunChunk[] {
    if (text === "") return [];
    this.#content += text;
    return [this.#chunk({ ...this.#role(), content: text })];
  }

  #think(text: string): readonly RunChunk[] {
    if (text === "") return [];
    this.#reasoning += text;
    return [this.#chunk({ ...this.#role(), reasoning_content: text })];
  }

  async #turn(seq: number): Promise<readonly RunChunk[]> {
    if (seq < this.#nextItem) return [];
    const item = await this.#options.readItem(seq);
    return item === undefined ? [] : this.#reply(item);
  }

  /** A reply that was written: its text as it stands there, then its calls. */
  #reply(item: Item): readonly RunChunk[] {
    this.#model = item.origin?.model ?? this.#model;
    const chunks = [...this.#correctTo(textOf(item)), ...this.#toolCalls(item)];
    this.#nextItem = item.seq + 1;
    this.#stopReason = item.stopReason;
    this.#content = "";
    this.#reasoning = "";
    this.#isCut = false;
    this.#roleSent = false;
    return chunks;
  }

  /** Makes what was streamed of this turn the given text. */
  #correctTo(text: string): readonly RunChunk[] {
    if (text.startsWith(this.#content)) return this.#say(text.slice(this.#content.length));
    return [...this.#withdraw(), ...this.#say(text)];
  }

  #toolCalls(item: Item): readonly RunChunk[] {
    const calls = item.parts
      .filter((part) => part.type === "tool_call")
      .filter((part) => !part.name.startsWith("transfer_to_"));
    if (calls.length === 0) return [];
    const tool_calls = calls.map((call, index): ChunkToolCall => {
      const text =
        call.arguments.kind === "object" ? JSON.stringify(call.arguments.value) : call.arguments.raw;
      return { index, id: call.callId, type: "function", function: { name: call.name, arguments: text } };
    });
    const chunks = [this.#chunk({ ...this.#role(), tool_calls })];
    const isForCaller = calls.some((call) => this.#options.clientTools.has(call.name));
    return isForCaller ? [...chunks, this.#chunk({}, "tool_calls")] : chunks;
  }

  /** Everything of the open turn is void: its attempt failed, or its worker is lost. */
  #withdraw(): readonly RunChunk[] {
    const withdrawn = { content_chars: this.#content.length, reasoning_chars: this.#reasoning.length };
    this.#content = "";
    this.#reasoning = "";
    this.#isCut = false;
    if (withdrawn.content_chars === 0 && withdrawn.reasoning_chars === 0) return [];
    return [{ ...this.#chunk({}), baton: { withdrawn } }];
  }

  #snapshot({ items, partialText, partialCut, run, epoch }: SnapshotEvent): readonly RunChunk[] {
    const replies = items.filter((item) => item.seq >= this.#nextItem && isReply(item));
    const chunks = replies.flatMap((item) => this.#reply(item));
    this.#nextItem = Math.max(this.#nextItem, items.length);
    this.#model = run.model;
    if (partialCut === undefined) chunks.push(...this.#correctTo(partialText));
    else {
      // What an attempt before this one said is void; of this one's, the turn tells whether it stands.
      if (this.#epoch !== epoch) chunks.push(...this.#withdraw());
      this.#isCut = true;
    }
    this.#epoch = epoch;
    return chunks;
  }

  #role(): ChunkDelta {
    if (this.#roleSent) return {};
    this.#roleSent = true;
    return { role: "assistant" };
  }

  #chunk(delta: ChunkDelta, finishReason: RunChunk["choices"][0]["finish_reason"] = null): RunChunk {
    const { id, createdAt } = this.#options.run;
    return {
      id,
      object: "chat.completion.chunk",
      created: Math.floor(createdAt / 1_000),
      model: this.#model,
      choices: [{ index: 0, delta, finish_reason: finishReason }],
    };
  }
}
