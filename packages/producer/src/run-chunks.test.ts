import {
  type Item,
  modelIdSchema,
  NO_USAGE,
  type Part,
  type RunEvent,
  runIdSchema,
  runSchema,
} from "@baton/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createChunker, type RunChunk, textOfChunks } from "./run-chunks.ts";

const gpt = modelIdSchema.parse("openai/gpt");
const claude = modelIdSchema.parse("anthropic/claude");
const id = runIdSchema.parse(`r_0_${"0".repeat(26)}`);
const at = { epoch: 1, phase: 0 };

const reply = (seq: number, parts: readonly Part[], more: Partial<Item> = {}): Item => ({
  v: 1,
  seq,
  ...at,
  at: 0,
  role: "assistant",
  parts: [...parts],
  origin: { provider: "openai", api: "openai-chat", model: gpt },
  stopReason: "end",
  ...more,
});

const text = (value: string): RunEvent => ({ type: "text", ...at, text: value });
const turn = (item: number): RunEvent => ({
  type: "turn",
  ...at,
  model: gpt,
  item,
  stopReason: "end",
  usage: NO_USAGE,
});
const status = (model = gpt): RunEvent => ({ type: "status", ...at, status: "queued", model });
const phase = (model = gpt): RunEvent => ({ type: "phase", ...at, model, attempt: 1, takeover: false });
const snapshot = (items: readonly Item[], partialText: string, isCut = false): RunEvent => ({
  type: "snapshot",
  ...at,
  items: [...items],
  partialText,
  ...(isCut ? { partialCut: true } : {}),
  run: runSchema.parse({
    ...{
      id,
      status: "running",
      pausing: false,
      model: gpt,
      ticket: 1,
      epoch: 1,
      items: items.length,
      turns: 0,
    },
    ...{ handoffs: 0, takeovers: 0, createdAt: 0, updatedAt: 0, usage: NO_USAGE, phases: [] },
  }),
});

/** All chunks of the events, with `log` as the ledger's conversation. */
async function chunksOf(events: readonly RunEvent[], log: readonly Item[] = []): Promise<RunChunk[]> {
  const chunker = createChunker({
    run: { id, createdAt: 5_999, model: gpt },
    clientTools: new Set(["mine"]),
    readItem: async (seq) => log[seq],
  });
  const chunks: RunChunk[] = [];
  for (const event of events) chunks.push(...(await chunker.onEvent(event)));
  return [...chunks, chunker.end({ ...NO_USAGE, inputTokens: 7, cachedInputTokens: 2, outputTokens: 3 })];
}

const deltas = (chunks: readonly RunChunk[]) => chunks.map(({ choices: [choice] }) => choice.delta);
const finishes = (chunks: readonly RunChunk[]) => chunks.map(({ choices: [choice] }) => choice.finish_reason);
const call = (name: string, callId = name): Part => ({
  type: "tool_call",
  callId,
  name,
  arguments: { kind: "object", value: { a: 1 } },
});

describe("chunks", () => {
  test("say the role once a turn, and the model that speaks", async () => {
    const other = { ...reply(1, [{ type: "text", text: "c" }]) };
    const log = [reply(0, [{ type: "text", text: "ab" }]), { ...other, origin: undefined }];
    const chunks = await chunksOf([phase(), text("a"), text("b"), turn(0), phase(claude), text("c")], log);
    expect(deltas(chunks)).toEqual([
      { role: "assistant", content: "a" },
      { content: "b" },
      { role: "assistant", content: "c" },
      {},
    ]);
    expect(chunks.map((chunk) => chunk.model)).toEqual([gpt, gpt, claude, claude]);
    expect(chunks[0]).toMatchObject({ id, object: "chat.completion.chunk", created: 5 });
  });

  test("show what a model thinks apart from what it says", async () => {
    const chunks = await chunksOf([{ type: "reasoning", ...at, text: "hm" }, text("a")]);
    expect(deltas(chunks).slice(0, 2)).toEqual([
      { role: "assistant", reasoning_content: "hm" },
      { content: "a" },
    ]);
    expect(textOfChunks(chunks)).toBe("a");
  });

  test("end with the reason and the usage of the run", async () => {
    const cut = [reply(0, [{ type: "text", text: "a" }], { stopReason: "length" })];
    expect(finishes(await chunksOf([turn(0)], cut))).toEqual([null, "length"]);
    const whole = await chunksOf([turn(0)], [reply(0, [{ type: "text", text: "a" }])]);
    expect(whole.at(-1)).toMatchObject({
      choices: [{ delta: {}, finish_reason: "stop" }],
      usage: {
        prompt_tokens: 7,
        completion_tokens: 3,
        total_tokens: 10,
        prompt_tokens_details: { cached_tokens: 2 },
      },
    });
  });

  test("tell calls after their turn, but for handoffs, and end the turn when the caller must answer", async () => {
    const log = [reply(0, [call("theirs"), call("transfer_to_x"), call("mine")]), reply(1, [call("theirs")])];
    const chunks = await chunksOf([turn(0), turn(1)], log);
    expect(finishes(chunks)).toEqual([null, "tool_calls", null, "stop"]);
    expect(deltas(chunks)[0]).toEqual({
      role: "assistant",
      tool_calls: [
        { index: 0, id: "theirs", type: "function", function: { name: "theirs", arguments: '{"a":1}' } },
        { index: 1, id: "mine", type: "function", function: { name: "mine", arguments: '{"a":1}' } },
      ],
    });
  });

  test.each([
    ["a new claim", phase()],
    ["a requeue", status()],
    ["an attempt that failed", { type: "withdrawn", ...at, model: gpt } as const],
  ])("withdraw the open text at %s", async (_, event) => {
    const thought: RunEvent = { type: "reasoning", ...at, text: "hm" };
    const chunks = await chunksOf([text("bad"), thought, event, event, text("good")]);
    expect(chunks.map((chunk) => chunk.baton?.withdrawn)).toEqual([
      undefined,
      undefined,
      { content_chars: 3, reasoning_chars: 2 },
      undefined,
      undefined,
    ]);
    expect(textOfChunks(chunks)).toBe("good");
  });

  test("do not withdraw what was written", async () => {
    const chunks = await chunksOf([text("a"), turn(0), status()], [reply(0, [{ type: "text", text: "a" }])]);
    expect(chunks.every((chunk) => chunk.baton === undefined)).toBe(true);
  });
});

describe("a snapshot that lost the beginning of the text", () => {
  const log = [reply(0, [{ type: "text", text: "one two three" }])];

  test("tells nothing of it until the turn brings it whole, and takes nothing back", async () => {
    const chunks = await chunksOf([text("one "), snapshot([], "wo th", true), text("ree"), turn(0)], log);
    expect(deltas(chunks)).toEqual([{ role: "assistant", content: "one " }, { content: "two three" }, {}]);
    expect(chunks.every((chunk) => chunk.baton === undefined)).toBe(true);
  });

  test("takes back at once what an earlier attempt said", async () => {
    const old: RunEvent = { type: "text", epoch: 0, phase: 0, text: "bad" };
    const chunks = await chunksOf([old, snapshot([], "wo th", true), text("ree"), turn(0)], log);
    expect(chunks.map((chunk) => chunk.baton?.withdrawn.content_chars)).toEqual([
      undefined,
      3,
      undefined,
      undefined,
    ]);
    expect(textOfChunks(chunks)).toBe("one two three");
  });

  test("counts no longer when the attempt begins anew", async () => {
    const chunks = await chunksOf([snapshot([], "wo th", true), phase(), text("one "), turn(0)], log);
    expect(deltas(chunks)[0]).toEqual({ role: "assistant", content: "one " });
    expect(textOfChunks(chunks)).toBe("one two three");
  });
});

/** Turns as a run may show them: deltas that are whole, partial, lost or of a failed attempt, and snapshots. */
const shownTurn = fc.record({
  said: fc.string(),
  shown: fc.double({ min: 0, max: 1, noNaN: true }),
  failed: fc.option(fc.string({ minLength: 1 })),
  wrong: fc.boolean(),
  snapshot: fc.constantFrom("none", "within", "instead", "cut"),
});

test("whatever was lost on the way, the chunks add up to what the models said", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(shownTurn, { maxLength: 6 }), async (turns) => {
      const log = turns.map(({ said }, seq) => reply(seq, [{ type: "text", text: said }]));
      const events = turns.flatMap((one, seq): RunEvent[] => {
        const part = one.said.slice(0, Math.floor(one.said.length * one.shown));
        const shown = one.wrong ? `${part}#` : part;
        return [
          phase(),
          ...(one.failed === null ? [] : [text(one.failed), status()]),
          ...(shown === "" ? [] : [text(shown)]),
          ...(one.snapshot === "within" ? [snapshot(log.slice(0, seq), part)] : []),
          ...(one.snapshot === "cut" ? [snapshot(log.slice(0, seq), part.slice(1), true), text("#")] : []),
          ...(one.snapshot === "instead" ? [snapshot(log.slice(0, seq + 1), "")] : []),
          turn(seq),
        ];
      });
      expect(textOfChunks(await chunksOf(events, log))).toBe(turns.map(({ said }) => said).join(""));
    }),
  );
});
