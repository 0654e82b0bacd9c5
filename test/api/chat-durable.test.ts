/**
 * What becomes of a chat completion when its client leaves, its model's call breaks off, its run waits for people, or its
 * API stops: seen by the real clients of OpenAI and Dedalus.
 */
import { BatonError, type RunId, runIdSchema, type ToolHost } from "@baton/core";
import { runKeys } from "@baton/store";
import { Dedalus } from "dedalus-labs";
import OpenAI, { APIError, ConflictError } from "openai";
import type { ChatCompletionChunk } from "openai/resources/chat/completions";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type ApiRig, openApiRig } from "../../apps/api/src/testing/api-rig.ts";
import { useRedis } from "../support/redis.ts";
import { call, type Script, text } from "../support/scripted-model.ts";
import { until } from "../support/until.ts";

const redis = useRedis();
let api: ApiRig;
let client: OpenAI;
let script: Script;
const gates: PromiseWithResolvers<void>[] = [];

const desk: ToolHost = {
  list: async () => ({
    tools: [
      {
        ...{
          name: "erase",
          description: "",
          inputSchema: { type: "object" },
          readOnly: false,
          idempotent: true,
        },
        ...{ approval: true, origin: { kind: "mcp", server: "desk", tool: "erase" } },
      },
    ],
    problems: [],
  }),
  call: async () => ({ isError: false, content: [{ type: "text", text: "erased" }] }),
  close: async () => undefined,
};

beforeAll(async () => {
  api = await openApiRig(redis.url, {
    script: (...args) => script(...args),
    tools: desk,
    config: { mcpServers: { desk: { command: "unused" } }, api: { chatWaitSeconds: 0.05 } },
  });
  client = new OpenAI({ baseURL: `${api.url}/v1`, apiKey: "any" });
});
// Each test begins with an empty Redis, in which the worker is unknown until it beats.
beforeEach(async () => {
  const served = async () => (await client.models.list()).data.length > 0;
  await until(served, { what: "a worker that is known" });
});
afterAll(async () => api[Symbol.asyncDispose]());
afterEach(() => {
  for (const gate of gates.splice(0)) gate.resolve();
});

test("a client that leaves does not end the run: it comes again with its key and gets all of the text", async () => {
  const gate = newGate();
  let calls = 0;
  script = async (_request, _signal, onDelta) => {
    calls += 1;
    onDelta({ kind: "text", text: "The beginning" });
    await gate.promise;
    return { parts: [text("The beginning and the end.")] };
  };
  const key = { headers: { "Idempotency-Key": "leaves" } };
  const first = await stream({}, key);
  let runId: RunId | undefined;
  for await (const chunk of first) {
    runId = runIdSchema.parse(chunk.id);
    if (contentOf([chunk]) !== "") break;
  }
  const again = await stream({}, key);
  gate.resolve();
  const chunks = await Array.fromAsync<ChatCompletionChunk>(again);
  expect(contentOf(chunks)).toBe("The beginning and the end.");
  expect(chunks[0]?.id).toBe(runId);
  expect(calls).toBe(1);
});

test("requests with one key at the same moment, streamed or not, are one run with one answer", async () => {
  let calls = 0;
  script = (_request, _signal, onDelta) => {
    calls += 1;
    onDelta({ kind: "text", text: "One" });
    return { parts: [text("One answer.")] };
  };
  const key = { headers: { "Idempotency-Key": "at once" } };
  const answers = await Promise.all(
    Array.from({ length: 8 }, async (_, place) => {
      if (place % 2 === 0) return contentOf(await Array.fromAsync(await stream({}, key)));
      return (await chat({}, key)).choices[0]?.message.content;
    }),
  );
  expect(new Set(answers)).toEqual(new Set(["One answer."]));
  expect(calls).toBe(1);
});

test("who comes when the beginning of a long text is gone from the events gets it whole, and once", async () => {
  const [middle, end] = [newGate(), newGate()];
  script = async (_request, _signal, onDelta) => {
    onDelta({ kind: "text", text: "The beginning, " });
    await middle.promise;
    onDelta({ kind: "text", text: "the middle " });
    await end.promise;
    return { parts: [text("The beginning, the middle and the end.")] };
  };
  const key = { headers: { "Idempotency-Key": "long" } };
  const { hub, ledger } = api.store;
  const before = hub.waiters;
  const chunks: ChatCompletionChunk[] = [];
  let later: Promise<ChatCompletionChunk[]> | undefined;
  for await (const chunk of await stream({}, key)) {
    chunks.push(chunk);
    middle.resolve();
    if (later !== undefined || !contentOf(chunks).includes("middle")) continue;
    await ledger.redis.xtrim(runKeys(runIdSchema.parse(chunk.id)).events, "MAXLEN", 1);
    later = stream({}, key).then((again) => Array.fromAsync<ChatCompletionChunk>(again));
    await until(() => hub.waiters > before + 1, { what: "the second reader, who knows what is left" });
    end.resolve();
  }
  expect(contentOf(chunks)).toBe("The beginning, the middle and the end.");
  expect(contentOf((await later) ?? [])).toBe("The beginning, the middle and the end.");
});

test("a stream whose run is paused meanwhile says so, and its key finds the rest when it goes on", async () => {
  const gate = newGate();
  script = async ({ items }) => {
    await gate.promise;
    return { parts: items.length > 1 ? [text("Done.")] : [call("nobody_has_it", {}, "call_n")] };
  };
  const key = { headers: { "Idempotency-Key": "paused" } };
  const asked = stream({ mcp_servers: ["desk"] }, key).then((begun) => Array.fromAsync(begun));
  const [{ id }] = await until(
    async () => {
      const found = await Array.fromAsync(api.producer.select({ status: "running" }));
      return found[0] === undefined ? undefined : ([found[0]] as const);
    },
    { what: "the run" },
  );
  await api.producer.pause(id);
  gate.resolve();
  await expect(asked).rejects.toMatchObject({ code: "run_waiting", message: expect.stringContaining(id) });
  await api.producer.resume(id);
  expect(contentOf(await Array.fromAsync(await stream({ mcp_servers: ["desk"] }, key)))).toBe("Done.");
});

test("an attempt that breaks off and is made anew with the same words is not seen in the text", async () => {
  const attempts = breakingOff("Once upon a ", "Once upon a time.");
  const chunks: ChatCompletionChunk[] = [];
  for await (const chunk of await stream()) {
    chunks.push(chunk);
    if (contentOf(chunks) !== "") attempts.breakOff();
  }
  expect(attempts.count).toBe(2);
  expect(contentOf(chunks)).toBe("Once upon a time.");
});

test("an attempt that is made anew with other words says what is void, on a line of its own", async () => {
  const attempts = breakingOff("One text", "Another text.");
  const key = { headers: { "Idempotency-Key": "other words" } };
  const chunks: ChatCompletionChunk[] = [];
  for await (const chunk of await stream({}, key)) {
    chunks.push(chunk);
    if (contentOf(chunks) !== "") attempts.breakOff();
  }
  expect(contentOf(chunks)).toBe("One text\n\nAnother text.");
  expect(chunks.filter((chunk) => "withdrawn" in (Object(chunk).baton ?? {}))).toMatchObject([
    { baton: { withdrawn: { content_chars: "One text\n\n".length } } },
  ]);
  // Who comes later never sees what was void before.
  const later = await Array.fromAsync<ChatCompletionChunk>(await stream({}, key));
  expect(contentOf(later)).toBe("Another text.");
});

test("a client that asks for whole turns never sees a void text", async () => {
  const attempts = breakingOff("One text", "Another text.");
  const asked = stream({}, { headers: { "x-baton-stream": "turns" } });
  await shown("One text");
  attempts.breakOff();
  const chunks = await Array.fromAsync<ChatCompletionChunk>(await asked);
  expect(attempts.count).toBe(2);
  expect(contentOf(chunks)).toBe("Another text.");
});

test("JSON is never taken back: a second attempt with other words gives an answer that can be parsed", async () => {
  const attempts = breakingOff('{"attempt":1', '{"attempt":2}');
  const asked = stream({ response_format: { type: "json_object" } });
  await shown('{"attempt":1');
  attempts.breakOff();
  const chunks = await Array.fromAsync<ChatCompletionChunk>(await asked);
  expect(JSON.parse(contentOf(chunks))).toEqual({ attempt: 2 });
});

test("a run that fails in the middle of its text throws in both clients", async () => {
  const texts: string[] = [];
  const fails =
    (shown: Promise<void>): Script =>
    async (_request, _signal, onDelta) => {
      onDelta({ kind: "text", text: "So far" });
      await shown;
      throw new BatonError("provider_rejected", "the provider wants no more of it");
    };
  const read = async (
    open: () => Promise<AsyncIterable<{ choices: { delta: { content?: string | null } }[] }>>,
  ): Promise<unknown> => {
    const shown = newGate();
    script = fails(shown.promise);
    try {
      for await (const { choices } of await open()) {
        const content = choices[0]?.delta.content ?? "";
        if (content === "") continue;
        texts.push(content);
        shown.resolve();
      }
    } catch (error) {
      return error;
    }
    throw new Error("it ended as if all were well");
  };
  const ofOpenAi = await read(() => stream());
  expect(ofOpenAi).toBeInstanceOf(APIError);
  expect(ofOpenAi).toMatchObject({ code: "provider_rejected", type: "invalid_request_error" });
  const dedalus = new Dedalus({ baseURL: api.url, apiKey: "any" });
  const ofDedalus = await read(() =>
    dedalus.chat.completions.create({
      model: "gpt-5.2",
      messages: [{ role: "user", content: "?" }],
      stream: true,
    }),
  );
  expect(ofDedalus).toBeInstanceOf(Dedalus.APIError);
  expect(String(ofDedalus)).toContain("the provider wants no more of it");
  expect(texts).toEqual(["So far", "So far"]);
});

test("a run that waits for people says so, with its id, and answers the same request when it went on", async () => {
  script = ({ items }) => ({
    parts: items.some(({ role }) => role === "tool") ? [text("It is gone.")] : [call("erase", {}, "call_e")],
  });
  const key = { headers: { "Idempotency-Key": "waits" } };
  const body = { mcp_servers: ["desk"] };
  for (const ask of [() => chat(body, key), async () => Array.fromAsync(await stream(body, key))]) {
    const error = await ask().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(APIError);
    expect(error).toMatchObject({ code: "run_waiting", message: expect.stringMatching(/approval/) });
  }
  const error = await chat(body, key).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ConflictError);
  const { run_id } = Object((error as ConflictError).error);
  await api.producer.approve(runIdSchema.parse(run_id));
  const answered = await until(() => chat(body, key).catch(() => undefined), { what: "an answer" });
  expect(answered).toMatchObject({
    id: run_id,
    choices: [{ message: { content: "It is gone." } }],
    tools_executed: ["erase"],
    mcp_tool_results: [{ server_name: "desk", tool_name: "erase", is_error: false, result: "erased" }],
  });
});

test.each([
  ["a server of tools that no worker has", { mcp_servers: ["nowhere"] }, "server:nowhere"],
  ["a model that no worker serves", { model: "grok-4" }, "xai/grok-4"],
])("a run that needs %s says so instead of keeping its client waiting", async (_what, body, named) => {
  script = () => ({ parts: [text("x")] });
  for (const ask of [() => chat(body), async () => Array.fromAsync(await stream(body))]) {
    const error = await ask().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(APIError);
    expect(error).toMatchObject({ code: "no_worker", message: expect.stringContaining(named) });
  }
});

test("an API that stops sends its callers to the next one, where their key finds the run", async () => {
  const gate = newGate();
  let calls = 0;
  script = async () => {
    calls += 1;
    await gate.promise;
    return { parts: [text("Here after all.")] };
  };
  const asked = chat({}, { headers: { "Idempotency-Key": "stops" } });
  await until(() => calls === 1, { what: "the call of the model" });
  await api.restart();
  gate.resolve();
  expect((await asked).choices[0]?.message.content).toBe("Here after all.");
  expect(calls).toBe(1);
});

test("nobody waits any more for clients that left", async () => {
  const gate = newGate();
  script = async () => {
    await gate.promise;
    return { parts: [text("x")] };
  };
  const { hub } = api.store;
  const before = hub.waiters;
  const leaving = new AbortController();
  const options = { signal: leaving.signal, headers: { "Idempotency-Key": "nobody" } };
  const asked = [chat({}, options), stream({}, options)];
  await until(() => hub.waiters === before + 2, { what: "those who wait" });
  leaving.abort();
  await Promise.allSettled(asked);
  await until(() => hub.waiters === before, { what: "nobody who waits" });
  gate.resolve();
});

/** Holds a scripted model back until it is resolved, at the end of the test at the latest: no worker waits for it then. */
function newGate(): PromiseWithResolvers<void> {
  const gate = Promise.withResolvers<void>();
  gates.push(gate);
  return gate;
}

/** Scripts a first attempt that shows the beginning of a text and breaks off when it is told to, and a second one. */
function breakingOff(beginning: string, second: string) {
  const told = newGate();
  let count = 0;
  script = async (_request, _signal, onDelta) => {
    count += 1;
    if (count > 1) return { parts: [text(second)] };
    onDelta({ kind: "text", text: beginning });
    await told.promise;
    throw overloaded();
  };
  return {
    get count() {
      return count;
    },
    breakOff: () => told.resolve(),
  };
}

/** Waits until everybody who watches the running run can see the text. */
async function shown(beginning: string): Promise<void> {
  await until(
    async () => {
      for await (const { id } of api.producer.select({ status: "running" })) {
        for await (const { event } of api.producer.watch(id, {}, AbortSignal.timeout(5_000))) {
          if (event.type === "snapshot") return event.partialText === beginning;
        }
      }
      return false;
    },
    { what: `the text ${beginning}` },
  );
}

function overloaded(): BatonError {
  return new BatonError("provider_overloaded", "come again", { retry: { after: 20 } });
}

function chat(extra: object = {}, options: OpenAI.RequestOptions = {}) {
  return client.chat.completions.create(
    { model: "gpt-5.2", messages: [{ role: "user", content: "?" }], ...extra },
    options,
  );
}

function stream(extra: object = {}, options: OpenAI.RequestOptions = {}) {
  return client.chat.completions.create(
    { model: "gpt-5.2", messages: [{ role: "user", content: "?" }], ...extra, stream: true },
    options,
  );
}

function contentOf(chunks: readonly ChatCompletionChunk[]): string {
  return chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
}
