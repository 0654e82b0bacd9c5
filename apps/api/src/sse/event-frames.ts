/** Events of runs as server-sent events. What many watchers are told is the same object: it is written out once. */
import { type RunEvent, type StampedEvent, wireEvent } from "@baton/core";
import { frameOf } from "./frames.ts";

export class EventFrames {
  readonly #known = new WeakMap<RunEvent, string>();

  of({ id, event }: StampedEvent): string {
    const known = this.#known.get(event) ?? frameOf({ event: event.type, data: wireEvent(event) });
    this.#known.set(event, known);
    return `id: ${id}\n${known}`;
  }
}
