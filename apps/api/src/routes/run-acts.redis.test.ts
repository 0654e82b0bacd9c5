/** `POST /v1/runs/:id/…`: each act does what it says, answers with the run, and is refused where it makes no sense. */
import { BatonError, modelIdSchema } from "@baton/core";
import { describe, expect, test } from "vitest";
import { desk } from "../../../../packages/worker/src/testing/flow-rig.ts";
import { useRedis } from "../../../../test/support/redis.ts";
import { call, type Script, text } from "../../../../test/support/scripted-model.ts";
import { type Answer, type ApiRig, openApiRig } from "../testing/api-rig.ts";

const redis = useRedis();
const GPT = "openai/gpt-5.2";
const CLAUDE = "anthropic/claude-opus-4-5";
const UNSERVED = "xai/grok-4-1";
const DESK = "desk/model";
const tools = [{ type: "function", function: { name: "mine" } }];

/** Fails at one model, calls a tool at those that have one, and tells what the last item says. */
const script: Script = ({ model, items, tools: offered }) => {
  if (modelIdSchema.parse(model) === GPT && !offered.some(({ name }) => name === "mine")) {
    throw new BatonError("provider_rejected", "no");
  }
  const name = offered.find((tool) => tool.name === "mine" || tool.name === "send")?.name;
  if (name !== undefined && !items.some(({ role }) => role === "tool")) return { parts: [call(name)] };
  const [last] = items.findLast(({ role }) => role !== "control")?.parts ?? [];
  if (last?.type === "tool_result") {
    const [first] = last.content;
    return { parts: [text(`tool: ${first?.type === "text" ? first.text : ""}`)] };
  }
  return { parts: [text(`said: ${last?.type === "text" ? last.text : ""}`)] };
};

async function open(): Promise<ApiRig> {
  return openApiRig(redis.url, { script });
}

const waited = (api: ApiRig, id: string): Promise<Answer> => api.call("GET", `/v1/runs/${id}?wait=20`);

async function submitted(api: ApiRig, spec: object): Promise<string> {
  const { body } = await api.call("POST", "/v1/runs?wait=20", { input: "hi", ...spec });
  return body.id;
}

describe("an act on a run", () => {
  test("cancel ends it, and what is over cannot be cancelled", async () => {
    await using api = await open();
    const { body } = await api.call("POST", "/v1/runs", { input: "hi", model: UNSERVED });
    const path = `/v1/runs/${body.id}/cancel`;
    expect(await api.call("POST", path)).toMatchObject({
      status: 200,
      body: { id: body.id, status: "cancelled" },
    });
    const again = await api.call("POST", path, {});
    expect(again).toMatchObject({ status: 409, body: { error: { code: "not_possible" } } });
    expect(again.body.error.details).toMatchObject({ runId: body.id, status: "cancelled" });
  });

  test("pause lets it wait, and resume lets it go on", async () => {
    await using api = await open();
    const { body } = await api.call("POST", "/v1/runs", { input: "hi", model: UNSERVED });
    expect((await api.call("POST", `/v1/runs/${body.id}/pause`)).body).toMatchObject({
      status: "waiting",
      waits_for: { reason: "paused" },
    });
    expect((await api.call("POST", `/v1/runs/${body.id}/resume`)).body).toMatchObject({ status: "queued" });
    expect((await api.call("POST", `/v1/runs/${body.id}/resume`)).status).toBe(409);
  });

  test("resume with a budget lets a run that has spent its own go on", async () => {
    await using api = await open();
    const id = await submitted(api, { model: CLAUDE, tools, budget: { tokens: 1 } });
    const answer = { tool_results: [{ tool_call_id: "call_mine", content: "rain" }] };
    await api.call("POST", `/v1/runs/${id}/input`, answer);
    expect((await waited(api, id)).body).toMatchObject({
      status: "waiting",
      waits_for: { reason: "budget" },
    });
    const resumed = await api.call("POST", `/v1/runs/${id}/resume`, { budget: { tokens: 1_000 } });
    expect(resumed.status).toBe(200);
    expect((await waited(api, id)).body).toMatchObject({ status: "succeeded", final_output: "tool: rain" });
  });

  test("retry puts a failed run back to work with another model and a word", async () => {
    await using api = await open();
    const id = await submitted(api, { model: GPT });
    expect((await waited(api, id)).body).toMatchObject({
      status: "failed",
      error: { code: "provider_rejected" },
    });
    const body = { model: CLAUDE, input: "try this", attempts: 2, budget: { tokens: 900 } };
    const retried = await api.call("POST", `/v1/runs/${id}/retry`, body);
    expect(retried.status).toBe(200);
    expect(retried.body.status).not.toBe("failed");
    expect((await waited(api, id)).body).toMatchObject({
      status: "succeeded",
      final_output: "said: try this",
      models_used: [CLAUDE],
    });
    expect(await api.call("POST", `/v1/runs/${id}/retry`)).toMatchObject({
      status: 409,
      body: { error: { code: "not_possible" } },
    });
    const [record] = (await api.producer.conversation(retried.body.id)).flatMap(({ parts }) =>
      parts.filter((part) => part.type === "record"),
    );
    expect(record?.detail).toMatchObject({ attempts: 2, budget: { tokens: 900 } });
  });

  test("input answers calls of the caller's own tools; a result that nothing waits for is refused", async () => {
    await using api = await open();
    const id = await submitted(api, { model: CLAUDE, tools });
    const path = `/v1/runs/${id}/input`;
    const wrong = await api.call("POST", path, { tool_results: [{ tool_call_id: "other", content: "x" }] });
    expect(wrong).toMatchObject({ status: 400, body: { error: { code: "invalid_spec" } } });
    expect((await api.call("POST", path)).status).toBe(400);
    expect((await api.call("POST", path, {})).body.error.message).toContain(
      "tool_results, a message, or both",
    );
    const answer = { tool_results: [{ tool_call_id: "call_mine", content: "rain" }] };
    expect((await api.call("POST", path, answer)).status).toBe(200);
    expect((await waited(api, id)).body.final_output).toBe("tool: rain");
    expect((await api.call("POST", path, answer)).status).toBe(409);
  });

  test("approve lets a call be made, and reject tells the model why not", async () => {
    await using api = await open();
    const capabilities = new Set(["server:desk"]);
    const host = desk({ send: { approval: true } }, () => "sent");
    await api.rig.startWorker({
      adapters: api.models.adapters,
      patterns: ["desk/*"],
      tools: host,
      capabilities,
    });
    const yes = await submitted(api, { model: DESK, mcp_servers: ["desk"] });
    const other = await api.call("POST", `/v1/runs/${yes}/approve`, { calls: ["other"] });
    expect(other).toMatchObject({ status: 400, body: { error: { code: "invalid_spec" } } });
    expect(other.body.error.message).toContain("call_send (send)");
    expect((await api.call("POST", `/v1/runs/${yes}/approve`)).status).toBe(200);
    expect((await waited(api, yes)).body.final_output).toBe("tool: sent");
    const no = await submitted(api, { model: DESK, mcp_servers: ["desk"] });
    const body = { calls: ["call_send"], reason: "not today" };
    expect((await api.call("POST", `/v1/runs/${no}/reject`, body)).status).toBe(200);
    expect((await waited(api, no)).body.final_output).toContain("not today");
    expect(host.calls).toHaveLength(1);
  });

  test("fork makes a new run, once by its key, that says where it is from", async () => {
    await using api = await open();
    const id = await submitted(api, { model: CLAUDE });
    const path = `/v1/runs/${id}/fork`;
    const body = { at: 1, input: "and now?" };
    const key = { "idempotency-key": "f" };
    const forked = await api.call("POST", path, body, key);
    expect(forked).toMatchObject({
      status: 202,
      body: { created: true, forked_from: { run: id, items: 2 } },
    });
    expect(forked.headers.get("location")).toBe(`/v1/runs/${forked.body.id}`);
    const again = await api.call("POST", path, body, key);
    expect(again).toMatchObject({ status: 200, body: { id: forked.body.id, created: false } });
    expect((await waited(api, forked.body.id)).body.final_output).toBe("said: and now?");
    const finished = await api.call("POST", path);
    expect(finished).toMatchObject({ status: 400, body: { error: { code: "invalid_spec" } } });
    expect(finished.body.error.details).toMatchObject({ at: 1 });
  });

  test("is a 404 for a run that is not there, and a 400 for what it does not take", async () => {
    await using api = await open();
    const none = "/v1/runs/r_0_01J9ZC7Q8H2N3K4M5P6R7S8T9V";
    const acts = ["cancel", "pause", "resume", "retry", "approve", "reject", "fork"];
    for (const act of acts) {
      const missing = await api.call("POST", `${none}/${act}`);
      expect({ act, code: missing.body.error.code, status: missing.status }).toEqual({
        act,
        code: "not_found",
        status: 404,
      });
      const wrong = await api.call("POST", `${none}/${act}`, { modle: 1 });
      expect({ act, status: wrong.status, code: wrong.body.error.code }).toEqual({
        act,
        status: 400,
        code: "invalid_spec",
      });
      expect(wrong.body.error.message).toContain("modle");
    }
  });
});
