import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDocumentFolder } from "./document-folder.ts";
import { DOCUMENTS_PATH } from "./index.ts";
import { type SimulatedModels, startSimulatedModels } from "./simulated-models.ts";
import {
  anthropicOf,
  type CallTool,
  callOver,
  connectDocuments,
  openaiOf,
  type Research,
  research,
  TRANSFER_TOOL,
  write,
} from "./testing/text-run.ts";
import { specOf, TOPICS } from "./topics.ts";
import { countWords, paragraphsOf, sentencesOf } from "./words.ts";

const TASK = "Research the Suez Canal: its construction and its crises. Then write an essay for sailors.";

let client: Client;
let callTool: CallTool;
let sentences: Set<string>;

beforeAll(async () => {
  ({ client } = await connectDocuments());
  callTool = callOver(client);
  const folder = await openDocumentFolder(DOCUMENTS_PATH);
  sentences = new Set(
    folder.ids.flatMap((id) => paragraphsOf(folder.read(id)?.text ?? "").flatMap(sentencesOf)),
  );
});

afterAll(async () => {
  await client.close();
});

async function withModels(
  use: (models: SimulatedModels) => Promise<void>,
  options: Parameters<typeof startSimulatedModels>[0] = {},
): Promise<void> {
  const models = await startSimulatedModels(options);
  try {
    await use(models);
  } finally {
    await models.close();
  }
}

function namesOf(found: Research): string[][] {
  return found.rounds.map((round) => round.map((call) => call.name));
}

describe("a whole run over both APIs and a real MCP server", () => {
  test(
    "all topics at once give texts of their own, made of sentences of their documents",
    () =>
      withModels(async (models) => {
        const runs = await Promise.all(
          TOPICS.map(async (topic) => {
            const task = String(specOf(topic).input);
            const found = await research(models, task, callTool);
            return { topic, found, written: await write(models, task, found) };
          }),
        );
        for (const { topic, found, written } of runs) {
          const [searches = [], reads = []] = namesOf(found);
          expect(new Set(searches), topic.id).toEqual(new Set(["search_documents"]));
          expect(reads.length, topic.id).toBeGreaterThanOrEqual(2);
          expect(new Set(reads), topic.id).toEqual(new Set(["read_document"]));
          const titles = found.rounds
            .flat()
            .flatMap(({ result }) => /"title":"(.*?)","source"/.exec(result)?.[1] ?? []);
          for (const title of titles) {
            expect(found.handoff?.brief, topic.id).toContain(title);
            expect(written.text, topic.id).toContain(title);
          }
          const verbatim = [...sentences].filter((sentence) => written.text.includes(sentence));
          expect(verbatim.length, topic.id).toBeGreaterThanOrEqual(8);
          expect(countWords(written.text), topic.id).toBeGreaterThanOrEqual(250);
          expect(countWords(written.text), topic.id).toBeLessThanOrEqual(400);
          expect(written.text, topic.id).toContain("simulated model");
          expect(written.deltas, topic.id).toBeGreaterThan(20);
          expect(written.inputTokens, topic.id).toBeGreaterThan(written.outputTokens);
        }
        expect(new Set(runs.map(({ written }) => written.text)).size).toBe(TOPICS.length);
        const shared = runs.flatMap(({ written }) =>
          [...sentences].filter((sentence) => written.text.includes(sentence)),
        );
        expect(new Set(shared).size, "no sentence stands in two texts").toBe(shared.length);
        expect(models.callsOf("claude-opus-4-5")).toBe(TOPICS.length);
        expect(models.callsOf("gpt-5.2")).toBe(3 * TOPICS.length);
        expect(models.requestCount()).toBe(4 * TOPICS.length);
        expect(models.journal().map((entry) => entry.number)).toEqual(
          models.journal().map((_, index) => index + 1),
        );
      }),
    30_000,
  );

  test("the same request gets the same words, under new ids", () =>
    withModels(async (models) => {
      const found = await research(models, TASK, callTool);
      const again = await research(models, TASK, callTool);
      expect(again.handoff).toEqual(found.handoff);
      expect(again.rounds.map((round) => round.map(({ args }) => args))).toEqual(
        found.rounds.map((round) => round.map(({ args }) => args)),
      );
      const texts = [await write(models, TASK, found), await write(models, TASK, found)];
      expect(texts[0]?.text).toBe(texts[1]?.text);
      const [first, second] = models.journal().filter((entry) => entry.step === "write");
      expect(first?.fingerprint).toBe(second?.fingerprint);
      expect(first?.responseId).not.toBe(second?.responseId);
    }));

  test("another seed puts it in other words", () =>
    withModels(async (models) => {
      const found = await research(models, TASK, callTool);
      const { text } = await write(models, TASK, found);
      await withModels(
        async (others) => {
          expect((await write(others, TASK, found)).text).not.toBe(text);
        },
        { seed: 2 },
      );
    }));

  test("without a model to hand over to, the researcher writes the text", () =>
    withModels(async (models) => {
      const found = await research(models, TASK, callTool, ["search_documents", "read_document"]);
      expect(found.handoff).toBeUndefined();
      expect(found.text).toContain("Building the Suez Canal");
    }));
});

describe("what goes wrong", () => {
  test("a writer whose conversation was lost says so, and makes nothing up", () =>
    withModels(async (models) => {
      const lost = { rounds: [], text: "Done.", handoff: { reason: "", brief: "Write." }, inputTokens: 0 };
      const { text } = await write(models, TASK, lost);
      expect(text).toContain("holds no document on the Suez Canal");
      expect([...sentences].some((sentence) => text.includes(sentence))).toBe(false);
      expect(models.journal().map((entry) => entry.step)).toEqual(["nothing_to_write"]);
    }));

  test("calls that failed are tried again", () =>
    withModels(async (models) => {
      const failed = new Set<string>();
      const found = await research(models, TASK, async (name, args) => {
        const first = !failed.has(name);
        failed.add(name);
        return first ? "The outcome of this call is unknown: the worker stopped." : callTool(name, args);
      });
      expect(namesOf(found).map((round) => round[0])).toEqual([
        "search_documents",
        "read_document",
        "read_document",
      ]);
      expect(found.handoff?.brief).toContain("Building the Suez Canal");
      expect(found.handoff?.brief).toContain("The Suez Canal in crisis");
    }));

  test("a server that stays down ends the research after a bounded number of attempts", () =>
    withModels(async (models) => {
      const found = await research(models, TASK, async () => "The server demo/documents is down.");
      expect(found.rounds.length).toBe(3);
      expect(found.handoff?.brief).toContain("brought nothing");
      const { text } = await write(models, TASK, found);
      expect(text).toContain("holds no document");
    }));

  test("a document that cannot be read is done without", () =>
    withModels(async (models) => {
      const found = await research(models, TASK, async (name, args) =>
        args.id === "suez-crises" ? "I/O error" : callTool(name, args),
      );
      expect(found.rounds.length).toBe(4);
      const { text } = await write(models, TASK, found);
      expect(text).toContain("1. Building the Suez Canal");
      expect(text).not.toContain("in crisis");
    }));

  test("a handoff that was answered instead of done is not tried for ever", () =>
    withModels(async (models) => {
      const { output } = await openaiOf(models).responses.create({
        model: "gpt-5.2",
        tools: [{ type: "function", name: TRANSFER_TOOL, parameters: {}, strict: false }],
        input: [
          { role: "user", content: TASK },
          { type: "function_call", call_id: "a", name: TRANSFER_TOOL, arguments: "{}" },
          { type: "function_call_output", call_id: "a", output: "max_handoffs is reached." },
        ],
      });
      expect(output.filter((item) => item.type === "function_call")).toEqual([]);
    }));

  test("a client that dies within a reply leaves it in the journal, and the server alive", () =>
    withModels(
      async (models) => {
        const stream = anthropicOf(models).messages.stream({
          model: "claude-opus-4-5",
          max_tokens: 1_000,
          messages: [{ role: "user", content: TASK }],
        });
        const died = stream.finalMessage().then(
          () => "finished",
          () => "aborted",
        );
        stream.once("text", () => stream.abort());
        expect(await died).toBe("aborted");
        expect(models.journal().length).toBe(1);
        const found = await research(models, TASK, callTool);
        expect(found.handoff).toBeDefined();
      },
      { pace: { firstTokenMs: 1, tokensPerSecond: 2_000 } },
    ));
});

test("a reply does not come before its pace lets it", () =>
  withModels(
    async (models) => {
      const started = performance.now();
      const stream = await openaiOf(models).responses.create({ model: "gpt-5.2", input: TASK, stream: true });
      const arrivals: number[] = [];
      for await (const _ of stream) arrivals.push(performance.now() - started);
      // Timers may fire a millisecond early.
      expect(arrivals[0]).toBeGreaterThanOrEqual(119);
    },
    { pace: { firstTokenMs: 120, tokensPerSecond: 10_000 } },
  ));
