/**
 * What the load is made of. Each kind throws when the answer is not the one that it must be; where it says a time, that is
 * when it had its answer, and what it did after that does not count.
 */
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import type { Asked, Client, Got } from "./client.ts";

export const KINDS = {
  "GET run": 25,
  "GET run, not modified": 15,
  "GET runs": 20,
  "POST run": 15,
  "POST run, waiting": 10,
  "chat completion": 3,
  "chat completion, streamed": 2,
  "GET conversation": 5,
  "events, 2 s": 5,
} as const;
export type Kind = keyof typeof KINDS;

/** In which model's pool the runs are. */
export const MODEL = "openai/gpt-5.2";

interface Ended {
  readonly id: string;
  readonly etag: string;
}

const runSchema = z.looseObject({ id: z.string(), status: z.string(), final_output: z.string().nullable() });
const pageSchema = z.looseObject({ data: z.array(z.looseObject({ id: z.string() })).min(1) });
const itemsSchema = z.looseObject({ data: z.array(z.unknown()).min(2) });
const completionSchema = z.looseObject({
  choices: z.array(z.looseObject({ message: z.looseObject({ content: z.literal("Hello.") }) })).length(1),
});

const ENDED_MAX = 500;
const STORIES_MAX = 3;
const STORY_EVERY_MS = 1_000;
const EVENTS_MS = 2_000;
/** In two seconds of a story there are some twenty. */
const EVENTS_MIN = 5;

export class Requests {
  readonly #client: Client;
  /** Runs that are over, to be asked about. */
  readonly #ended: Ended[] = [];
  /** Runs that tell something all the while. */
  readonly #stories: string[] = [];
  #next = 0;

  constructor(client: Client) {
    this.#client = client;
  }

  /** Makes what there is to ask about; then stories, one a second, until it is aborted. */
  async prepare(runs: number, signal: AbortSignal): Promise<{ readonly stories: Promise<void> }> {
    await Promise.all(Array.from({ length: runs }, () => this.#submitAndWait()));
    await this.#tellStory();
    const tell = async (): Promise<void> => {
      while (!signal.aborted) {
        await this.#tellStory();
        // A rest that was cut short is the end of it.
        await delay(STORY_EVERY_MS, undefined, { signal }).catch(() => undefined);
      }
    };
    return { stories: tell() };
  }

  /** Resolves with when its answer was there, by `performance.now()`. */
  async send(kind: Kind): Promise<number> {
    switch (kind) {
      case "GET run":
        await this.#expect({ path: `/v1/runs/${this.#any().id}` }, 200);
        break;
      case "GET run, not modified": {
        const { id, etag } = this.#any();
        await this.#expect({ path: `/v1/runs/${id}`, headers: { "if-none-match": etag } }, 304);
        break;
      }
      case "GET runs":
        pageSchema.parse(JSON.parse((await this.#expect({ path: "/v1/runs?limit=20" }, 200)).text));
        break;
      case "POST run":
        await this.#expect({ method: "POST", path: "/v1/runs", body: spec("Say hello.") }, 202);
        break;
      case "POST run, waiting":
        await this.#submitAndWait();
        break;
      case "GET conversation":
        itemsSchema.parse(
          JSON.parse((await this.#expect({ path: `/v1/runs/${this.#any().id}/conversation` }, 200)).text),
        );
        break;
      case "chat completion":
        completionSchema.parse(JSON.parse((await this.#chat(false)).text));
        break;
      case "chat completion, streamed":
        if (!/"content":"Hello\."[\s\S]*data: \[DONE\]\n\n$/.test((await this.#chat(true)).text)) {
          throw new Error("the stream did not say Hello. and end");
        }
        break;
      case "events, 2 s":
        return await this.#followEvents();
    }
    return performance.now();
  }

  async #submitAndWait(): Promise<void> {
    const { text } = await this.#expect(
      { method: "POST", path: "/v1/runs?wait=25", body: spec("Say hello.") },
      200,
    );
    const { id, status, final_output: said } = runSchema.parse(JSON.parse(text));
    if (status !== "succeeded" || said !== "Hello.")
      throw new Error(`run ${id} is ${status} and says ${said}`);
    if (this.#ended.length >= ENDED_MAX) return;
    const { headers } = await this.#expect({ path: `/v1/runs/${id}` }, 200);
    this.#ended.push({ id, etag: String(headers.etag) });
  }

  #chat(stream: boolean): Promise<Got> {
    const messages = [{ role: "user", content: "Say hello." }];
    return this.#expect(
      { method: "POST", path: "/v1/chat/completions", body: { model: MODEL, messages, stream } },
      200,
    );
  }

  async #tellStory(): Promise<void> {
    const { text } = await this.#expect(
      { method: "POST", path: "/v1/runs", body: spec("Tell a story.") },
      202,
    );
    this.#stories.push(runSchema.parse(JSON.parse(text)).id);
    if (this.#stories.length > STORIES_MAX) this.#stories.shift();
  }

  async #followEvents(): Promise<number> {
    const path = `/v1/runs/${this.#stories.at(this.#turn() % this.#stories.length)}/events`;
    const response = await this.#client.open({ path });
    try {
      if (response.statusCode !== 200) throw new Error(`${path} was answered ${response.statusCode}`);
      let first: number | undefined;
      let events = 0;
      const over = setTimeout(() => response.destroy(), EVENTS_MS);
      response.setEncoding("utf8");
      response.on("data", (text: string) => {
        const count = text.match(/^data:/gm)?.length ?? 0;
        if (count > 0) first ??= performance.now();
        events += count;
      });
      await new Promise<void>((resolve) => response.once("close", resolve).once("error", () => resolve()));
      clearTimeout(over);
      if (first === undefined || events < EVENTS_MIN) {
        throw new Error(`${path} told ${events} events in ${EVENTS_MS} ms`);
      }
      return first;
    } finally {
      response.destroy();
    }
  }

  async #expect(asked: Asked, status: number): Promise<Got> {
    const got = await this.#client.ask(asked);
    if (got.status === status) return got;
    throw new Error(`${asked.path} was answered ${got.status}: ${got.text.slice(0, 200)}`);
  }

  #any(): Ended {
    const ended = this.#ended[this.#turn() % this.#ended.length];
    if (ended === undefined) throw new Error("there is no run to ask about");
    return ended;
  }

  #turn(): number {
    this.#next += 1;
    return this.#next;
  }
}

function spec(input: string) {
  return { input, model: MODEL };
}
