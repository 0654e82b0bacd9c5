/** What a call does on the wire, whatever the API: its clocks, its one request, its secrets, its errors. */
import type { ServerResponse } from "node:http";
import { BatonError, type ModelDelta, type ModelId } from "@baton/core";
import { afterEach, describe, expect, test, vi } from "vitest";
import { caller, failure, KEY } from "./test-support/call-model.ts";
import { CLAUDE, GPT, LOCAL } from "./test-support/items.ts";
import { sendError, sendEvents, wireServer, writeEvents } from "./test-support/wire-server.ts";

const MESSAGE_START = { type: "message_start", message: { id: "msg_1", usage: { input_tokens: 1 } } };

interface Wire {
  readonly first: unknown;
  /** What makes a text of it, behind the first event. */
  readonly said: readonly unknown[];
  readonly whole: readonly unknown[];
}

/** The first events of a reply of each API, and a whole short reply. */
const WIRE: Readonly<Record<string, Wire>> = {
  [CLAUDE]: {
    first: MESSAGE_START,
    said: [
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
      { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "so" } },
    ],
    whole: [
      MESSAGE_START,
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
      { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "so" } },
      { type: "content_block_stop", index: 0 },
      { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 2 } },
      { type: "message_stop" },
    ],
  },
  [GPT]: {
    first: { type: "response.created", response: { id: "resp_1" } },
    said: [{ type: "response.output_text.delta", delta: "so" }],
    whole: [
      { type: "response.created", response: { id: "resp_1" } },
      { type: "response.output_text.delta", delta: "so" },
      {
        type: "response.output_item.done",
        output_index: 0,
        item: { type: "message", id: "m", content: [{ type: "output_text", text: "so" }] },
      },
      { type: "response.completed", response: { id: "resp_1", output: [] } },
    ],
  },
  [LOCAL]: {
    first: { id: "c1", choices: [{ index: 0, delta: { role: "assistant", content: "" } }] },
    said: [{ id: "c1", choices: [{ index: 0, delta: { content: "so" } }] }],
    whole: [{ id: "c1", choices: [{ delta: { content: "so" }, finish_reason: "stop" }] }, "[DONE]"],
  },
};
const wireOf = (model: ModelId) => WIRE[model] ?? { first: {}, said: [], whole: [] };

afterEach(() => {
  vi.useRealTimers();
});

/** Under the test's clock: what is returned waits for the next byte that a call hears, at which its clock is wound anew. */
function heardBytes(): () => Promise<void> {
  let onByte = (): void => undefined;
  const set = globalThis.setTimeout;
  globalThis.setTimeout = Object.assign((...given: Parameters<typeof set>) => {
    const timer = set(...given);
    const refresh = timer.refresh.bind(timer);
    timer.refresh = () => {
      const wound = refresh();
      onByte();
      return wound;
    };
    return timer;
  }, set);
  return () =>
    new Promise((resolve) => {
      onByte = resolve;
    });
}

describe.each([CLAUDE, GPT, LOCAL])("a call of %s", (model) => {
  const { first, said, whole } = wireOf(model);

  test("ends when no byte has come for the idle time, also after a good beginning", async () => {
    const goOn = Promise.withResolvers<void>();
    await using server = await wireServer(async (response) => {
      response.setHeader("x-ratelimit-limit-requests", "60");
      sendEvents(response, [first], false);
      await goOn.promise;
      writeEvents(response, said);
    });
    // The clock of the test: by a real one, a slow machine has not even connected when the time is over.
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const limits = { modelIdleMs: 60, modelCallMs: 10_000 };
    const heard = { rate_limit: Promise.withResolvers<void>(), text: Promise.withResolvers<void>() };
    const onDelta = ({ kind }: ModelDelta) => {
      if (kind === "rate_limit" || kind === "text") heard[kind].resolve();
    };
    let isOver = false;
    const ended = failure(caller(server.url, model, { limits, onDelta })).finally(() => {
      isOver = true;
    });
    await heard.rate_limit.promise;
    await vi.advanceTimersByTimeAsync(59);
    goOn.resolve();
    await heard.text.promise;
    // Counted from the last byte, not from the beginning.
    await vi.advanceTimersByTimeAsync(59);
    expect(isOver).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    const error = await ended;
    expect(error).toMatchObject({ code: "provider_timeout", retry: "backoff" });
    expect(error.message).toMatch(/sent nothing for 60 ms/);
    expect(server.requests).toHaveLength(1);
  });

  test("tells what the answer says of the account's limits, before the reply, and also when it is refused", async () => {
    const headers = { "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59" };
    const said = { kind: "rate_limit", report: { requests: { limit: 60, remaining: 59 } } };
    await using server = await wireServer((response) => {
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
      sendEvents(response, whole);
    });
    expect((await caller(server.url, model)()).deltas[0]).toMatchObject(said);

    await using full = await wireServer((response) =>
      sendError(response, 429, { error: { type: "rate_limit_error", message: "no" } }, headers),
    );
    const deltas: unknown[] = [];
    const onDelta = (delta: unknown) => deltas.push(delta);
    expect(await failure(caller(full.url, model, { onDelta }))).toMatchObject({
      code: "provider_rate_limited",
    });
    expect(deltas).toMatchObject([said]);
  });

  test("ends when nothing is answered at all", async () => {
    await using server = await wireServer(() => undefined);
    const limits = { modelIdleMs: 60, modelCallMs: 10_000 };
    expect(await failure(caller(server.url, model, { limits }))).toMatchObject({ code: "provider_timeout" });
  });

  test("is kept alive by comments and pings, but no longer than the whole call may take", async () => {
    const begun = Promise.withResolvers<() => void>();
    await using server = await wireServer((response) => {
      sendEvents(response, [first], false);
      begun.resolve(() => response.write(": alive\n\n"));
    });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const nextByte = heardBytes();
    const limits = { modelIdleMs: 200, modelCallMs: 500 };
    let isOver = false;
    const ended = failure(caller(server.url, model, { limits })).finally(() => {
      isOver = true;
    });
    const beat = await begun.promise;
    for (const ms of [199, 199, 101]) {
      const heard = nextByte();
      beat();
      await heard;
      await vi.advanceTimersByTimeAsync(ms);
      expect(isOver).toBe(false);
    }
    await vi.advanceTimersByTimeAsync(1);
    const error = await ended;
    expect(error).toMatchObject({ code: "provider_timeout", retry: "backoff" });
    expect(error.message).toMatch(/took more than 500 ms/);
  });

  test("that is aborted throws the signal's reason, and closes its connection", async () => {
    const closed = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    await using server = await wireServer((response) => {
      response.on("close", () => closed.resolve());
      sendEvents(response, [first], false);
      begun.resolve();
    });
    const controller = new AbortController();
    const reason = new BatonError("cancelled", "the run was cancelled");
    const ended = failure(caller(server.url, model, { signal: controller.signal }));
    await begun.promise;
    controller.abort(reason);
    expect(await ended).toBe(reason);
    await closed.promise;
  });

  test("whose signal is aborted already sends nothing", async () => {
    await using server = await wireServer((response) => sendEvents(response, whole));
    const reason = new Error("too late");
    expect(await failure(caller(server.url, model, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(server.requests).toHaveLength(0);
  });

  test.each<[string, (response: ServerResponse) => void]>([
    ["ends too soon", (response) => sendEvents(response, [first])],
    ["has no event", (response) => sendEvents(response, [])],
    ["has an event that is no JSON", (response) => sendEvents(response, [first, "{nonsense", ...whole])],
    ["has an event of a wrong form", (response) => sendEvents(response, [[1, 2], ...whole])],
    ["is no stream", (response) => sendError(response, 200, { hello: "world" })],
  ])("whose reply %s fails as broken protocol, and may be tried again", async (_what, answer) => {
    await using server = await wireServer(answer);
    expect(await failure(caller(server.url, model))).toMatchObject({
      code: "provider_protocol",
      retry: "backoff",
    });
  });

  test("whose connection breaks halfway fails as broken protocol", async () => {
    await using server = await wireServer((response) => {
      sendEvents(response, [first], false);
      setImmediate(() => response.destroy());
    });
    expect(await failure(caller(server.url, model))).toMatchObject({
      code: "provider_protocol",
      retry: "backoff",
    });
  });

  test("passes on what its listener throws: that is no failure of the model", async () => {
    await using server = await wireServer((response) => sendEvents(response, whole));
    const bug = new Error("a bug in the listener");
    const onDelta = () => {
      throw bug;
    };
    expect(await failure(caller(server.url, model, { onDelta }))).toBe(bug);
  });

  test("that reaches nobody is worth another try", async () => {
    const server = await wireServer(() => undefined);
    await server[Symbol.asyncDispose]();
    const error = await failure(caller(server.url, model));
    expect(error).toMatchObject({ code: "provider_unreachable", retry: "backoff" });
    expect(error.message).toMatch(/ECONNREFUSED/);
  });

  test("does not follow a redirect", async () => {
    await using server = await wireServer((response) =>
      sendError(response, 307, {}, { location: "/elsewhere" }),
    );
    expect(await failure(caller(server.url, model))).toMatchObject({
      code: "provider_rejected",
      retry: "never",
    });
    expect(server.requests).toHaveLength(1);
  });

  test("carries the key and the headers, and no error shows them", async () => {
    const secret = "header-value-of-mine";
    await using server = await wireServer((response, { headers }) =>
      sendError(response, 400, {
        error: { message: `got ${headers.authorization} and ${headers["x-mine"]}` },
      }),
    );
    const error = await failure(caller(server.url, model, { headers: { "x-mine": secret } }));
    expect(server.requests[0]?.headers).toMatchObject({ authorization: `Bearer ${KEY}`, "x-mine": secret });
    expect(error).toMatchObject({ code: "provider_rejected", retry: "never" });
    for (let each: unknown = error; each instanceof Error; each = each.cause) {
      expect(`${each.message}${each.stack}${JSON.stringify(each)}`).not.toMatch(
        new RegExp(`${KEY}|${secret}`),
      );
    }
  });

  test("uses the connection of the one before", async () => {
    await using server = await wireServer((response) => sendEvents(response, whole));
    const call = caller(server.url, model);
    expect((await call()).reply).toMatchObject({ stopReason: "end" });
    // The connection is free again a turn of the event loop later.
    await new Promise((resolve) => setImmediate(resolve));
    await call();
    expect(new Set(server.requests.map((request) => request.port)).size).toBe(1);
  });

  test("does not wait for a server that says all and then keeps the stream open", async () => {
    await using server = await wireServer((response) => sendEvents(response, whole, false));
    const { reply } = await caller(server.url, model)();
    expect(reply.stopReason).toBe("end");
  });
});
