/** Text of an attempt that failed is taken back, in the event stream, for who comes late, and in the Runner's stream. */
import {
  BatonError,
  type ModelAdapter,
  type ModelReply,
  NO_USAGE,
  type Part,
  type RunEvent,
} from "@baton/core";
import { describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { call, text } from "../../../test/support/scripted-model.ts";
import { openRig } from "../../../test/support/worker-rig.ts";
import { type RunChunk, textOfChunks } from "./run-chunks.ts";
import { Runner } from "./runner.ts";
import { claude } from "./testing/log.ts";

const redis = useRedis();

interface Turn {
  readonly model: string;
  /** From 1, over all models. */
  readonly count: number;
  readonly signal: AbortSignal;
  say(text: string): void;
  think(text: string): void;
}

const SOON = { retry: { after: 1 } } as const;

async function openStreaming(reply: (turn: Turn) => readonly Part[] | Promise<readonly Part[]>) {
  const rig = await openRig(redis.url);
  let count = 0;
  const adapter: ModelAdapter = {
    async call({ model }, onDelta, signal): Promise<ModelReply> {
      count += 1;
      const say = (value: string) => onDelta({ kind: "text", text: value });
      const think = (value: string) => onDelta({ kind: "reasoning", text: value });
      const parts = await reply({ model, count, signal, say, think });
      const stopReason = parts.some((part) => part.type === "tool_call") ? "tool_use" : "end";
      const origin = { provider: "test", api: "openai-chat", model } as const;
      return { parts, stopReason, usage: NO_USAGE, origin };
    },
  };
  const startWorker = () =>
    rig.startWorker({ adapters: () => adapter, patterns: ["openai/*", "anthropic/*"] });
  const worker = await startWorker();
  const runner = new Runner({ producer: rig.producer });
  return {
    ...{ producer: rig.producer, runner, worker, startWorker },
    [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose](),
  };
}

type Streaming = Awaited<ReturnType<typeof openStreaming>>;

/** Watches a run of this spec from its beginning; `onEvent` hears each event as it comes. */
async function watchAll(
  { producer }: Streaming,
  more: object = {},
  onEvent: (event: RunEvent) => unknown = () => undefined,
): Promise<readonly string[]> {
  const { runId } = await producer.submit({ input: "?", model: "openai/gpt", ...more });
  const told: string[] = [];
  for await (const { event } of producer.watch(runId, { after: "0-0" }, AbortSignal.timeout(15_000))) {
    told.push(wordOf(event));
    await onEvent(event);
  }
  return told;
}

function wordOf(event: RunEvent): string {
  switch (event.type) {
    case "text":
    case "reasoning":
      return `${event.type} ${event.text}`;
    case "status":
      return event.status;
    case "notice":
      return `notice ${event.code}`;
    default:
      return event.type;
  }
}

async function collect(chunks: AsyncIterable<RunChunk>): Promise<readonly RunChunk[]> {
  const all: RunChunk[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return all;
}

describe("a watcher", () => {
  test("sees text, then that it is withdrawn when the call fails, then the text of the next attempt", async () => {
    const seen = Promise.withResolvers<void>();
    await using streaming = await openStreaming(async ({ count, say }) => {
      if (count > 1) {
        say("good");
        return [text("good")];
      }
      say("bad");
      // Only when it was really shown: what is pending at the failure goes out along with it.
      await seen.promise;
      say(" text");
      throw new BatonError("provider_overloaded", "busy", SOON);
    });
    const told = await watchAll(streaming, {}, (event) => event.type === "text" && seen.resolve());
    expect(told).toEqual([
      "phase",
      "text bad",
      "text  text",
      "withdrawn",
      "notice provider_overloaded",
      "queued",
      "phase",
      "text good",
      "turn",
      "succeeded",
    ]);
  });

  test("sees it also when another model goes on, and for thoughts alone", async () => {
    await using streaming = await openStreaming(({ model, think }) => {
      if (model === claude) return [text("saved")];
      think("hm");
      throw new BatonError("provider_auth", "no");
    });
    expect(await watchAll(streaming, { fallback: [claude] })).toEqual([
      "phase",
      "reasoning hm",
      "withdrawn",
      "notice provider_auth",
      "handoff",
      "phase",
      "turn",
      "succeeded",
    ]);
  });

  test("is not told of it where nothing was shown since the last written reply", async () => {
    await using streaming = await openStreaming(({ count, say }) => {
      if (count === 2) throw new BatonError("provider_overloaded", "busy", SOON);
      say("now ");
      return count === 1 ? [text("now "), call("nobody")] : [text("now")];
    });
    const told = await watchAll(streaming);
    expect(told).toContain("notice provider_overloaded");
    expect(told).not.toContain("withdrawn");
  });

  test("who comes late finds no text of an attempt that failed", async () => {
    await using streaming = await openStreaming(({ say }) => {
      say("half");
      throw new BatonError("provider_overloaded", "busy", { retry: { after: 60_000 } });
    });
    const { producer } = streaming;
    const { runId } = await producer.submit({ input: "?", model: "openai/gpt" });
    const signal = AbortSignal.timeout(15_000);
    for await (const { event } of producer.watch(runId, { after: "0-0" }, signal)) {
      if (event.type === "status") break;
    }
    for await (const { event } of producer.watch(runId, {}, signal)) {
      expect(event).toMatchObject({
        type: "snapshot",
        partialText: "",
        run: { status: "queued", failures: 1 },
      });
      break;
    }
  });
});

describe("the Runner's stream", () => {
  test("takes the text back at the failure, not only when the next attempt begins", async () => {
    await using streaming = await openStreaming(({ say }) => {
      say("half");
      throw new BatonError("provider_overloaded", "busy", { retry: { after: 60_000 } });
    });
    const stream = await streaming.runner.run({ input: "?", model: "openai/gpt", stream: true });
    const chunks: RunChunk[] = [];
    for await (const chunk of stream) {
      chunks.push(chunk);
      if (chunk.baton !== undefined) break;
    }
    expect(chunks.at(-1)?.baton).toEqual({ withdrawn: { content_chars: 4, reasoning_chars: 0 } });
    expect(textOfChunks(chunks)).toBe("");
  });

  test("has no text of a model that failed in what another one wrote in its place", async () => {
    await using streaming = await openStreaming(({ model, say }) => {
      say(model === claude ? "the whole truth" : "the half");
      if (model === claude) return [text("the whole truth")];
      throw new BatonError("provider_auth", "no");
    });
    const stream = await streaming.runner.run({
      input: "?",
      model: "openai/gpt",
      fallback: [claude],
      stream: true,
    });
    expect(textOfChunks(await collect(stream))).toBe("the whole truth");
    expect((await stream.result()).finalOutput).toBe("the whole truth");
  });

  test("has no text of an attempt that was handed back", async () => {
    const stopped = Promise.withResolvers<void>();
    await using streaming = await openStreaming(async ({ count, say, signal }) => {
      say(count === 1 ? "from the one that stops" : "from the other");
      if (count > 1) return [text("from the other")];
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      throw signal.reason;
    });
    const stream = await streaming.runner.run({ input: "?", model: "openai/gpt", stream: true });
    const chunks: RunChunk[] = [];
    for await (const chunk of stream) {
      const isFirst = chunks.length === 0;
      chunks.push(chunk);
      if (isFirst) {
        void streaming.worker.stop(0).then(async () => {
          await streaming.startWorker();
          stopped.resolve();
        });
      }
    }
    await stopped.promise;
    expect(chunks.filter(({ baton }) => baton !== undefined)).toHaveLength(1);
    expect(textOfChunks(chunks)).toBe("from the other");
  });
});
