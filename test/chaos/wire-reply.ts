/** A reply of a simulated model, before it takes the form of an API, and that form: pieces of a stream. */

export interface WireCall {
  readonly id: string;
  readonly name: string;
  readonly input: Readonly<Record<string, unknown>>;
}

export interface WireReply {
  /** Unique; letters, digits and hyphens. */
  readonly id: string;
  readonly model: string;
  /** Opens the reply; none: the model does not think. */
  readonly thought: string | undefined;
  readonly text: string;
  readonly calls: readonly WireCall[];
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** An event of a stream: each API has fields of its own beside the type. */
export interface WireEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Events as the bytes of a stream, one piece an event, under the name that the event says itself to be. */
export function piecesOf(events: readonly WireEvent[]): readonly string[] {
  return events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
}

/** Text in the pieces in which a model would say it. */
export function wordsOf(text: string, count: number): readonly string[] {
  const size = Math.max(1, Math.ceil(text.length / count));
  return Array.from({ length: Math.ceil(text.length / size) }, (_, place) =>
    text.slice(place * size, (place + 1) * size),
  );
}
