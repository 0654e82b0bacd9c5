/** A reader of a run's events over `fetch`, which leaves at random and comes again with the last id that it saw. */
import { setTimeout as delay } from "node:timers/promises";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import type { Job } from "../../chaos/jobs.ts";
import { fractionOf, numberOf } from "../../chaos/random.ts";
import type { Outcome, Watched } from "../stories.ts";
import { submit } from "./native-clients.ts";
import type { Asked } from "./patient.ts";
import { verdictOf } from "./verdict.ts";
import { type ClientWorld, write } from "./world.ts";

/** Cuts of its own; those of the chaos come on top. */
const CUTS_MAX = 6;
const PAUSE_MS_MAX = 400;
const PATIENCE_MS = 75_000;
/** Longer than the pause between two comments of the API. */
const SILENCE_MS_MAX = 25_000;

export async function watchEvents(job: Job, world: ClientWorld): Promise<Asked> {
  const runId = await submit(job, world);
  const fromStart = fractionOf(job.mark, "from start") < 0.6;
  const reader = new Reader(`${world.url}/v1/runs/${runId}/events`, job.mark, world.key, fromStart);
  let lastAnswerAt = Date.now();
  while (!reader.isEnded && Date.now() - lastAnswerAt < PATIENCE_MS) {
    const isAnswered = await reader.read();
    if (isAnswered) lastAnswerAt = Date.now();
    if (!reader.isEnded) await delay(numberOf(0, PAUSE_MS_MAX, job.mark, "pause", reader.connections));
  }
  const { frames, isEnded } = reader;
  const watched: Watched = { mark: job.mark, runId, fromStart, frames: [...frames], isEnded };
  write(world, "watched", watched);
  return { runId, outcome: outcomeOf(reader) };
}

function outcomeOf({ isEnded, frames, connections }: Reader): Outcome {
  if (!isEnded) return { kind: "gave_up", why: `no end of events after ${connections} connections` };
  const end = frames.findLast(({ event }) => event === "status" || event === "snapshot");
  // What it was told is judged frame by frame: here it only says that it was told an end.
  return { kind: "refused", code: `events ended with a ${end?.event}` };
}

class Reader {
  readonly frames: Watched["frames"][number][] = [];
  connections = 0;
  isEnded = false;
  readonly #url: string;
  readonly #mark: string;
  readonly #key: string;
  #lastId: string | undefined;

  constructor(url: string, mark: string, key: string, fromStart: boolean) {
    this.#url = url;
    this.#mark = mark;
    this.#key = key;
    this.#lastId = fromStart ? "0-0" : undefined;
  }

  /** Over one connection, to its end or a cut; whether the API answered. */
  async read(): Promise<boolean> {
    const connection = this.connections;
    this.connections += 1;
    const leaving = new AbortController();
    try {
      const response = await fetch(this.#url, {
        headers: {
          authorization: `Bearer ${this.#key}`,
          accept: "text/event-stream",
          ...(this.#lastId === undefined ? {} : { "last-event-id": this.#lastId }),
        },
        signal: leaving.signal,
      });
      this.isEnded = response.status === 204;
      if (response.status === 200 && response.body !== null)
        await this.#take(response.body, connection, leaving);
      return response.status < 500;
    } catch (error) {
      if (leaving.signal.aborted || verdictOf(error).kind === "again") return leaving.signal.aborted;
      throw error;
    }
  }

  async #take(body: ReadableStream<Uint8Array>, connection: number, leaving: AbortController): Promise<void> {
    let left = connection < CUTS_MAX ? numberOf(1, 15, this.#mark, "cut", connection) : Infinity;
    const parser = createParser({
      onEvent: (message) => {
        if (left <= 0) return;
        left -= 1;
        this.#hear(message, connection);
        if (left === 0) leaving.abort(new Error("the reader leaves"));
      },
    });
    const silent = setTimeout(() => leaving.abort(new Error("nothing comes")), SILENCE_MS_MAX);
    try {
      const decoder = new TextDecoder();
      for await (const bytes of body) {
        silent.refresh();
        parser.feed(decoder.decode(bytes, { stream: true }));
      }
    } finally {
      clearTimeout(silent);
    }
  }

  #hear({ id, event = "message", data }: EventSourceMessage, connection: number): void {
    this.frames.push({ connection, event, data, ...(id === undefined ? {} : { id }) });
    if (id !== undefined) this.#lastId = id;
    if (event === "end") this.isEnded = true;
  }
}
