/** Streaming over real workers and a real Redis: models that stream, and fail in the middle. */
import {
  BatonError,
  type ModelAdapter,
  type ModelDelta,
  type ModelReply,
  NO_USAGE,
  type Part,
} from "@baton/core";
import { describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { call, text } from "../../../test/support/scripted-model.ts";
import { openRig } from "../../../test/support/worker-rig.ts";
import { type RunChunk, textOfChunks } from "./run-chunks.ts";
import { Runner } from "./runner.ts";

const redis = useRedis();

type Stream = (
  turn: number,
  onDelta: (delta: ModelDelta) => void,
) => readonly Part[] | Promise<readonly Part[]>;

/** A rig whose one model streams as `stream` says; `turn` counts its calls from 1. */
async function openStreaming(stream: Stream) {
  const rig = await openRig(redis.url);
  let turn = 0;
  const adapter: ModelAdapter = {
    async call({ model }, onDelta): Promise<ModelReply> {
      turn += 1;
      const parts = await stream(turn, onDelta);
      const stopReason = parts.some((part) => part.type === "tool_call") ? "tool_use" : "end";
      const usage = { ...NO_USAGE, inputTokens: 3, outputTokens: 2 };
      return { parts, stopReason, usage, origin: { provider: "openai", api: "openai-chat", model } };
    },
  };
  await rig.startWorker({ adapters: () => adapter, patterns: ["openai/*"] });
  const runner = new Runner({ producer: rig.producer });
  return { rig, runner, [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose]() };
}

const say = (onDelta: (delta: ModelDelta) => void, ...texts: readonly string[]) => {
  for (const one of texts) onDelta({ kind: "text", text: one });
};

async function collect(chunks: AsyncIterable<RunChunk>): Promise<readonly RunChunk[]> {
  const all: RunChunk[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return all;
}

const finishes = (chunks: readonly RunChunk[]) =>
  chunks.flatMap(({ choices: [{ finish_reason }] }) => (finish_reason === null ? [] : [finish_reason]));

describe("a stream", () => {
  test("yields chunks of a chat completion, the last with the reason and the usage", async () => {
    await using scripted = await openStreaming((_, onDelta) => {
      say(onDelta, "hel", "lo");
      return [text("hello")];
    });
    const stream = await scripted.runner.run({ input: "?", model: "openai/gpt", stream: true });
    const chunks = await collect(stream);
    for (const chunk of chunks) {
      expect(chunk).toMatchObject({ id: stream.runId, object: "chat.completion.chunk", model: "openai/gpt" });
      expect(Math.abs(chunk.created - Date.now() / 1_000)).toBeLessThan(60);
    }
    const deltas = chunks.map(({ choices: [choice] }) => choice.delta);
    expect(deltas[0]).toMatchObject({ role: "assistant", content: expect.any(String) });
    expect(textOfChunks(chunks)).toBe("hello");
    expect(finishes(chunks)).toEqual(["stop"]);
    expect(chunks.at(-1)?.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 });
    expect((await stream.result()).finalOutput).toBe("hello");
  });

  test("gives text before the model is done", async () => {
    const gate = Promise.withResolvers<void>();
    await using scripted = await openStreaming(async (_, onDelta) => {
      say(onDelta, "early");
      await gate.promise;
      return [text("early and late")];
    });
    const stream = await scripted.runner.run({ input: "?", model: "openai/gpt", stream: true });
    const first = await stream.next();
    expect(first.value?.choices[0].delta).toEqual({ role: "assistant", content: "early" });
    gate.resolve();
    expect(textOfChunks(await collect(stream))).toBe(" and late");
  });

  test("withdraws the text of an attempt that failed, and goes on with the next", async () => {
    await using scripted = await openStreaming((turn, onDelta) => {
      if (turn > 1) return [text("good")];
      say(onDelta, "bad text");
      throw new BatonError("provider_overloaded", "try again", { retry: { after: 1 } });
    });
    const chunks = await collect(
      await scripted.runner.run({ input: "?", model: "openai/gpt", stream: true }),
    );
    expect(chunks.flatMap(({ baton }) => (baton === undefined ? [] : [baton]))).toEqual([
      { withdrawn: { content_chars: 8, reasoning_chars: 0 } },
    ]);
    const all = chunks.map(({ choices: [choice] }) => choice.delta.content ?? "").join("");
    expect(all).toBe("bad textgood");
    expect(textOfChunks(chunks)).toBe("good");
  });

  test("tells the calls of the caller's tools, runs them, and streams what follows", async () => {
    await using scripted = await openStreaming((turn, onDelta) => {
      if (turn === 1) return [text("let me see"), call("add", { a: 2, b: 3 })];
      say(onDelta, "it is", " 5");
      return [text("it is 5")];
    });
    const add = (a: number, b: number) => a + b;
    const stream = await scripted.runner.run({ input: "?", model: "openai/gpt", tools: [add], stream: true });
    const chunks = await collect(stream);
    expect(chunks.flatMap(({ choices: [choice] }) => choice.delta.tool_calls ?? [])).toEqual([
      { index: 0, id: "call_add", type: "function", function: { name: "add", arguments: '{"a":2,"b":3}' } },
    ]);
    expect(finishes(chunks)).toEqual(["tool_calls", "stop"]);
    expect(textOfChunks(chunks)).toBe("let me seeit is 5");
    const result = await stream.result();
    expect(result.toolResults).toMatchObject([{ name: "add", result: 5, step: 1 }]);
  });

  test("of a run that fails throws its error, and so does its result", async () => {
    await using scripted = await openStreaming((_, onDelta) => {
      say(onDelta, "half");
      throw new BatonError("provider_rejected", "no");
    });
    const stream = await scripted.runner.run({ input: "?", model: "openai/gpt", stream: true });
    const failure = { code: "provider_rejected", fields: { runId: stream.runId } };
    await expect(collect(stream)).rejects.toMatchObject(failure);
    await expect(stream.result()).rejects.toMatchObject(failure);
  });

  test("that is left does not stop the run; following it gives all of it again", async () => {
    const gate = Promise.withResolvers<void>();
    await using scripted = await openStreaming(async (turn, onDelta) => {
      if (turn === 1) return [text("one "), call("again")];
      say(onDelta, "tw");
      await gate.promise;
      return [text("two")];
    });
    const again = { name: "again", run: () => "yes" };
    const stream = await scripted.runner.run({
      input: "?",
      model: "openai/gpt",
      tools: [again],
      stream: true,
    });
    for await (const chunk of stream) if (chunk.choices[0].delta.content === "tw") break;
    await expect(stream.result()).rejects.toMatchObject({ code: "not_possible" });
    const rest = await scripted.runner.follow(stream.runId, { stream: true });
    const first = await rest.next();
    expect(first.value?.choices[0].delta).toEqual({ role: "assistant", content: "one " });
    gate.resolve();
    const chunks = await collect(rest);
    expect(textOfChunks(chunks)).toBe("two");
    expect(finishes(chunks)).toEqual(["tool_calls", "stop"]);
  });

  test("of a run that is over is told from the ledger", async () => {
    await using scripted = await openStreaming(() => [text("said")]);
    const { runId } = await scripted.runner.run({ input: "?", model: "openai/gpt" });
    const chunks = await collect(await scripted.runner.follow(runId, { stream: true }));
    expect(textOfChunks(chunks)).toBe("said");
    expect(finishes(chunks)).toEqual(["stop"]);
  });
});
