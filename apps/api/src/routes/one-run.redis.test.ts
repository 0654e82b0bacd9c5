/** `GET /v1/runs/:id` and its conversation: what is told, when it is told, and when there is nothing new to tell. */
import { itemOfWire, runOfWire, type WireItem } from "@baton/core";
import { runKeys } from "@baton/store";
import { describe, expect, test } from "vitest";
import { commitOf, itemAt, running } from "../../../../packages/store/src/testing/make-run.ts";
import { useRedis } from "../../../../test/support/redis.ts";
import { call, type Script, text } from "../../../../test/support/scripted-model.ts";
import { until } from "../../../../test/support/until.ts";
import { type Answer, openApiRig } from "../testing/api-rig.ts";

const redis = useRedis();
const GPT = "openai/gpt-5.2";
const UNSERVED = "xai/grok-4-1";
const tools = [{ type: "function", function: { name: "mine" } }];
const NONE = "/v1/runs/r_0_01J9ZC7Q8H2N3K4M5P6R7S8T9V";

/** Calls the caller's own tool first, then says what it answered. */
const asking: Script = ({ items }) =>
  items.some(({ role }) => role === "tool")
    ? { parts: [text("it rains")] }
    : { parts: [call("mine", { someName: 1 })] };

/** Models that answer when the test says so, or ends. */
function gated() {
  const { promise, resolve } = Promise.withResolvers<void>();
  const script: Script = async () => {
    await promise;
    return { parts: [text("done")] };
  };
  return { script, open: resolve, [Symbol.dispose]: resolve };
}

describe("a run", () => {
  test("is told with phases, usage, spec and result, and reads back as the run that the store has", async () => {
    await using api = await openApiRig(redis.url);
    const spec = {
      input: "hi",
      model: GPT,
      metadata: { team: "a" },
      response_format: { type: "json_object" },
    };
    const { body: made } = await api.call("POST", "/v1/runs?wait=20", spec);
    const { status, body } = await api.call("GET", `/v1/runs/${made.id}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      status: "succeeded",
      final_output: "Hello.",
      models_used: [GPT],
      tools_called: [],
      phases: [{ seq: 0, model: GPT, status: "succeeded", turns: 1, usage: { total_tokens: 15 } }],
      usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15 },
      spec: { model: GPT, metadata: { team: "a" } },
    });
    expect(body).not.toHaveProperty("output_parsed");
    expect(body.spec).not.toHaveProperty("input");
    expect(runOfWire(body)).toEqual((await api.producer.get(made.id)).run);
  });

  test("says why it does not move", async () => {
    await using api = await openApiRig(redis.url);
    const { body } = await api.call("POST", "/v1/runs", { input: "hi", model: UNSERVED });
    expect(body.notice).toContain(`no live worker serves ${UNSERVED}`);
    await api.call("POST", `/v1/pools/${UNSERVED}/pause`);
    expect((await api.call("GET", `/v1/runs/${body.id}`)).body.notice).toContain("is paused");
    const { body: paused } = await api.call("POST", `/v1/runs/${body.id}/pause`);
    expect(paused.notice).toContain("paused: `baton runs resume");
    const { body: over } = await api.call("POST", `/v1/runs/${body.id}/cancel`);
    expect(over).not.toHaveProperty("notice");
  });

  test("that is not there is a 404, and an id that is none a 400", async () => {
    await using api = await openApiRig(redis.url);
    for (const path of [NONE, `${NONE}/conversation`, `${NONE}?wait=5`]) {
      expect(await api.call("GET", path)).toMatchObject({
        status: 404,
        body: { error: { code: "not_found" } },
      });
    }
    const wrong = await api.call("GET", "/v1/runs/one");
    expect(wrong).toMatchObject({ status: 400, body: { error: { code: "invalid_spec", field: "id" } } });
  });
});

describe("the ETag of a run", () => {
  test("changes with each answer and with no other, and a known one is answered 304 without a body", async () => {
    await using api = await openApiRig(redis.url, { script: asking });
    const { body: made } = await api.call("POST", "/v1/runs", { input: "hi", model: UNSERVED, tools });
    const path = `/v1/runs/${made.id}`;
    const answers: Answer[] = [];
    const look = async (): Promise<void> => {
      answers.push(await api.call("GET", path));
    };
    await look();
    await look();
    await api.call("POST", `/v1/pools/${UNSERVED}/pause`);
    await look();
    await api.call("POST", `${path}/cancel`);
    await look();
    await api.call("POST", `${path}/retry`, { model: GPT });
    await api.call("GET", `${path}?wait=20`);
    await look();
    await api.call("POST", `${path}/input`, {
      tool_results: [{ tool_call_id: "call_mine", content: "rain" }],
    });
    await api.call("GET", `${path}?wait=20`);
    await look();
    const tags = answers.map(({ headers }) => headers.get("etag"));
    const texts = answers.map((answer) => answer.text);
    expect(tags).not.toContain(null);
    expect(tags.map((tag) => tags.indexOf(tag))).toEqual(texts.map((one) => texts.indexOf(one)));
    expect(new Set(tags).size).toBe(5);
    const known = `"other", W/${tags.at(-1)}`;
    const same = await api.call("GET", path, undefined, { "if-none-match": known });
    expect(same).toMatchObject({ status: 304, text: "" });
    expect(same.headers.get("etag")).toBe(tags.at(-1));
    expect((await api.call("GET", path, undefined, { "if-none-match": String(tags[0]) })).status).toBe(200);
  });
});

describe("?wait", () => {
  test("answers when the run is over", async () => {
    const gate = gated();
    await using api = await openApiRig(redis.url, gate);
    using _ = gate;
    const { body: made, status } = await api.call("POST", "/v1/runs", { input: "hi", model: GPT });
    expect(status).toBe(202);
    const waiting = api.call("GET", `/v1/runs/${made.id}?wait=60`);
    await until(() => api.models.calls.length === 1, { what: "the call to begin" });
    gate.open();
    expect((await waiting).body).toMatchObject({ status: "succeeded", final_output: "done" });
  });

  test("answers when the run waits for an outside act, and submitting it so is a 202", async () => {
    await using api = await openApiRig(redis.url, { script: asking });
    const made = await api.call("POST", "/v1/runs?wait=60", { input: "hi", model: GPT, tools });
    expect(made).toMatchObject({
      status: 202,
      body: { status: "waiting", waits_for: { reason: "client_tools" }, created: true, final_output: null },
    });
    const looked = await api.call("GET", `/v1/runs/${made.body.id}?wait=60`);
    expect(looked.body).toMatchObject({ status: "waiting" });
  });

  test("answers after its time with the run so far, and at once when the API stops", async () => {
    const gate = gated();
    await using api = await openApiRig(redis.url, gate);
    using _ = gate;
    const made = await api.call("POST", "/v1/runs?wait=0.2", { input: "hi", model: GPT });
    expect(made).toMatchObject({ status: 202, body: { final_output: null, created: true } });
    const { id } = made.body;
    await until(() => api.models.calls.length === 1, { what: "the call to begin" });
    const looked = await api.call("GET", `/v1/runs/${id}?wait=0.05`);
    expect(looked).toMatchObject({ status: 200, body: { status: "running" } });
    const waiting = api.call("GET", `/v1/runs/${id}?wait=600`);
    await until(async () => (await api.producer.get(id)).run.status === "running", { what: "the run" });
    const [cut] = await Promise.all([waiting, api.restart()]);
    expect(cut).toMatchObject({ status: 200, body: { status: "running" } });
    gate.open();
  });

  test.each(["-1", "601", "x"])("of %s seconds is refused", async (seconds) => {
    await using api = await openApiRig(redis.url);
    const { status, body } = await api.call("POST", `/v1/runs?wait=${seconds}`, { input: "hi", model: GPT });
    expect({ status, field: body.error.field }).toEqual({ status: 400, field: "wait" });
  });
});

describe("a conversation", () => {
  test("is told by pages, and its items read back as they are in the store", async () => {
    await using api = await openApiRig(redis.url, { script: asking });
    const { body: made } = await api.call("POST", "/v1/runs?wait=60", { input: "hi", model: GPT, tools });
    const path = `/v1/runs/${made.id}`;
    await api.call("POST", `${path}/input`, {
      tool_results: [{ tool_call_id: "call_mine", content: "rain" }],
    });
    await api.call("GET", `${path}?wait=60`);
    const items: WireItem[] = [];
    let from: number | null = 0;
    while (from !== null) {
      const { body }: Answer = await api.call("GET", `${path}/conversation?limit=2&from=${from}`);
      expect(body.data.length).toBeLessThanOrEqual(2);
      items.push(...body.data);
      from = body.next_from;
    }
    expect(items.map(itemOfWire)).toEqual(await api.producer.conversation(made.id));
    expect(items.map(({ role }) => role)).toEqual(["user", "assistant", "tool", "assistant"]);
    const behind = await api.call("GET", `${path}/conversation?from=4`);
    expect(behind.body).toEqual({ data: [], next_from: null });
    const odd = await api.call("GET", `${path}/conversation?from=-1`);
    expect(odd).toMatchObject({ status: 400, body: { error: { field: "from" } } });
  });

  test("that is damaged has an end", async () => {
    await using api = await openApiRig(redis.url);
    const { body: made } = await api.call("POST", "/v1/runs?wait=60", { input: "hi", model: GPT });
    await redis.connect().ltrim(runKeys(made.id).log, 0, 0);
    const ends = async (from: number) =>
      (await api.call("GET", `/v1/runs/${made.id}/conversation?from=${from}`)).body;
    expect(await ends(0)).toMatchObject({ data: [{ seq: 0 }], next_from: 1 });
    expect(await ends(1)).toEqual({ data: [], next_from: null });
  });

  test("of large items comes by pages of a few megabytes, and its result without those of tools", async () => {
    await using api = await openApiRig(redis.url);
    const large = "x".repeat(1_000_000);
    const items = Array.from({ length: 20 }, (_, seq) => ({
      ...itemAt(seq, seq === 19 ? "last" : large),
      role: seq === 19 ? ("assistant" as const) : ("user" as const),
    }));
    const { claim } = await running(api.store.ledger, { items: items.slice(0, 19) });
    const path = `/v1/runs/${claim.runId}`;
    const seen: number[] = [];
    for (let from: number | null = 0; from !== null; ) {
      const { body, text }: Answer = await api.call("GET", `${path}/conversation?limit=200&from=${from}`);
      expect(text.length).toBeLessThan(9_000_000);
      seen.push(...body.data.map(({ seq }: WireItem) => seq));
      from = body.next_from;
    }
    expect(seen).toEqual(items.slice(0, 19).map(({ seq }) => seq));
    await api.store.ledger.commit(claim, commitOf(19, { kind: "succeeded" }, items.slice(19)));
    const { body } = await api.call("GET", path);
    expect(body).toMatchObject({ status: "succeeded", final_output: "last" });
  });
});
