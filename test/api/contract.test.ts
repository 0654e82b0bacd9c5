/**
 * A strict stranger with `/openapi.json` in hand walks through all routes: every answer, right or wrong, is one that the
 * document tells of, by an independent validator of JSON Schema; and the document forbids what the API refuses.
 */
import { once } from "node:events";
import { BatonError, modelIdSchema, textOf } from "@baton/core";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeKnownKey } from "../../apps/api/src/testing/api-keys.ts";
import { type Answer, type ApiRig, callApi, openApiRig } from "../../apps/api/src/testing/api-rig.ts";
import { desk } from "../../packages/worker/src/testing/flow-rig.ts";
import { type Contract, contractOf } from "../support/contract.ts";
import { useRedis } from "../support/redis.ts";
import { call, type Script, text } from "../support/scripted-model.ts";

const redis = useRedis();
const GPT = "openai/gpt-5.2";
const CLAUDE = "anthropic/claude-opus-4-5";
const POOL = `/v1/pools/${encodeURIComponent(GPT)}`;
const NO_RUN = "/v1/runs/r_0_00000000000000000000000000";
const LINES = { "content-type": "application/x-ndjson" };

/** Does what the input names. */
const script: Script = async ({ items, tools }, signal) => {
  const said = items[0] === undefined ? "" : textOf(items[0]);
  const isFirst = !items.some(({ role }) => role === "assistant");
  if (said === "fail") throw new BatonError("provider_rejected", "no");
  if (said === "hold") await once(signal, "abort");
  if (said === "json") return { parts: [text('{"a": 1}')] };
  const tool = tools.find(({ name }) => name === "mine" || name === "send" || said === "hand over");
  if (tool === undefined || !isFirst) return { parts: [text("Hello.")] };
  const isHandoff = tool.name.startsWith("transfer_to_");
  const thought = { type: "reasoning", text: "hm" } as const;
  return { parts: [thought, call(tool.name, isHandoff ? { reason: "r", brief: "b" } : {})] };
};

let api: ApiRig;
let contracts: readonly Contract[];
beforeAll(async () => {
  api = await openApiRig(redis.url, { script });
  const { adapters } = api.models;
  const tools = desk({ send: { approval: true } }, () => "sent");
  await api.rig.startWorker({
    adapters,
    patterns: ["desk/*"],
    tools,
    capabilities: new Set(["server:desk"]),
  });
  const { body } = await api.call("GET", "/openapi.json");
  contracts = [contractOf(body), contractOf(body, { unicode: false })];
});
afterAll(() => api?.[Symbol.asyncDispose]());

/** Calls the API, and holds the answer against the document, by readers with and without Unicode patterns. */
async function told(
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const answer =
    typeof body === "string"
      ? await sent(method, path, body, headers)
      : await callApi(api.url, method, path, body, headers);
  for (const contract of contracts) {
    expect(contract.faultsOf(method, path, answer), `${method} ${path}`).toEqual([]);
  }
  return answer;
}

async function sent(method: string, path: string, body: string, headers: Readonly<Record<string, string>>) {
  const response = await fetch(api.url + path, { method, headers, body });
  const answer = { status: response.status, headers: response.headers, text: await response.text() };
  return { ...answer, body: answer.headers.get("content-type")?.includes("json") ? answer.text : undefined };
}

async function submitted(spec: object): Promise<string> {
  const { body } = await told("POST", "/v1/runs?wait=20", { input: "hi", model: GPT, ...spec });
  return `/v1/runs/${body.id}`;
}

async function walkRuns(): Promise<void> {
  const ended = await submitted({ metadata: { team: "x" }, settings: { temperature: 0.5 } });
  const failed = await submitted({ input: "fail" });
  const handed = await submitted({ input: "hand over", model: [GPT, { model: CLAUDE }] });
  const parsed = await submitted({ input: "json", response_format: { type: "json_object" } });
  const own = { tools: [{ type: "function", function: { name: "mine" } }] };
  const waiting = await submitted(own);
  const asking = await submitted({ model: "desk/model", mcp_servers: ["desk"] });
  const refusing = await submitted({ model: "desk/model", mcp_servers: ["desk"] });
  const unserved = { input: "hi", model: "sim/none", timeout: 60, run_at: "2030-01-01T00:00:00Z" };
  const later = `/v1/runs/${(await told("POST", "/v1/runs", unserved)).body.id}`;
  for (const run of [ended, failed, handed, parsed, waiting, asking, later]) {
    const { headers } = await told("GET", run);
    const same = await told("GET", run, undefined, { "if-none-match": headers.get("etag") ?? "" });
    expect(same.status, run).toBe(304);
    await told("GET", `${run}/conversation?limit=200`);
  }
  for (const run of [ended, failed, handed]) {
    const { text: all } = await told("GET", `${run}/events?after=0-0`);
    await told("GET", `${run}/events`);
    const ids = [...all.matchAll(/^id: (.*)$/gm)].map(([, id = ""]) => id);
    const behind = await told("GET", `${run}/events`, undefined, { "last-event-id": ids.at(-1) ?? "" });
    expect(behind.status).toBe(204);
  }
  expect((await told("POST", `${asking}/approve`)).status).toBe(200);
  expect((await told("POST", `${refusing}/reject`, { reason: "no" })).status).toBe(200);
  const answer = { tool_results: [{ tool_call_id: "call_mine", content: "rain" }] };
  expect((await told("POST", `${waiting}/input`, answer)).status).toBe(200);
  for (const act of ["pause", "resume", "cancel", "retry"]) {
    expect((await told("POST", `${later}/${act}`)).status, act).toBe(200);
  }
  expect((await told("POST", `${ended}/fork`, { input: "more" })).status).toBe(202);
  for (const act of ["cancel", "pause", "resume", "retry", "approve", "reject", "fork"]) {
    expect((await told("POST", `${NO_RUN}/${act}`)).status, act).toBe(404);
    const impossible = await told("POST", `${ended}/${act}`);
    expect(impossible.status, act).toBe(act === "fork" ? 400 : 409);
  }
  for (const query of ["", "?status=failed&error=provider_rejected", "?metadata%5Bteam%5D=x", "?limit=1"]) {
    expect((await told("GET", `/v1/runs${query}`)).body.data.length, query).toBeGreaterThan(0);
  }
}

async function walkBatches(): Promise<void> {
  const line = (id: string, input: string) =>
    `${JSON.stringify({ custom_id: id, body: { input, model: GPT } })}\n`;
  const file = line("a", "hi") + line("b", "fail");
  const progress = { accept: "application/x-ndjson" };
  expect((await told("POST", "/v1/batches?check=true", file, LINES)).status).toBe(200);
  expect((await told("POST", "/v1/batches?id=walk", file, LINES)).status).toBe(202);
  expect((await told("POST", "/v1/batches?id=walk", file, { ...LINES, ...progress })).status).toBe(200);
  expect((await told("POST", "/v1/batches?id=walk", "{}", LINES)).status).toBe(400);
  expect((await told("POST", "/v1/batches?id=walk", file, { "content-type": "text/html" })).status).toBe(415);
  await told("GET", "/v1/batches/walk/results?order=finished&follow=true");
  await told("GET", "/v1/batches/walk/results?status=failed&status=succeeded");
  await told("GET", "/v1/batches/walk/errors");
  for (const headers of [{}, progress]) {
    await told("PATCH", "/v1/batches/walk", { weight: 2, budget: { usd: 20, tokens: null } }, headers);
    await told("POST", "/v1/batches/walk/retry", { cancelled: true }, headers);
    await told("POST", "/v1/batches/walk/cancel", undefined, headers);
  }
  await told("GET", "/v1/batches/walk");
  await told("GET", "/v1/batches?limit=1");
  expect((await told("GET", "/v1/batches/none/results")).status).toBe(404);
}

async function walkTheRest(): Promise<void> {
  for (const path of ["/v1/pools", "/v1/workers", "/v1/models", "/healthz", "/readyz", "/metrics"]) {
    await told("GET", path);
  }
  await told("GET", "/openapi.json");
  await told("GET", POOL);
  await told("PATCH", POOL, { concurrency: 20, tpm: null });
  await told("POST", `${POOL}/pause`);
  await told("POST", `${POOL}/resume`);
  await told("GET", `/v1/models/${encodeURIComponent(GPT)}`);
  await told("GET", "/v1/models/nothing");
  await told("GET", "/v1/pools/sim%2Fnothing");
  const messages = [{ role: "user", content: "hi" }];
  for (const stream of [false, true]) {
    await told("POST", "/v1/chat/completions", { model: GPT, messages, stream });
    await told("POST", "/v1/responses", { model: GPT, input: "hi", stream });
  }
  expect((await told("POST", "/v1/chat/completions", { model: GPT, messages: [] })).status).toBe(400);
  const { body } = await told("POST", "/v1/responses", { model: GPT, input: "hold", background: true });
  expect(await told("GET", `/v1/responses/${body.id}`)).toMatchObject({ status: 200 });
  expect(await told("POST", `/v1/responses/${body.id}/cancel`)).toMatchObject({ status: 200 });
  expect(await told("GET", `/v1/responses/${body.id}?stream=true`)).toMatchObject({ status: 200 });
}

test("every answer of a walk through all routes is one that the document tells of", async () => {
  await walkRuns();
  await walkBatches();
  await walkTheRest();
  const right = [...(contracts[0]?.seen ?? [])].filter((seen) => / 2\d\d$/.test(seen));
  const walked = new Set(right.map((seen) => seen.split(" ", 1)[0]));
  expect((contracts[0]?.operationIds ?? []).filter((id) => !walked.has(id))).toEqual([]);
});

test.each([
  "/v1/runs?limit=",
  "/v1/runs?limit=0x10",
  "/v1/runs?limit=%205",
  "/v1/runs?limit=201",
  `${NO_RUN}?wait=`,
  `${NO_RUN}?wait=601`,
  `${NO_RUN}?wait=1&wait=2`,
  `${NO_RUN}/conversation?from=-1`,
  "/v1/batches/a/results?order=finished&follow=yes",
  "/v1/batches?limit=1.5",
  "/v1/batches/..%2F..",
])("%s, which the document forbids, is a 400", async (path) => {
  expect((await told("GET", path)).status).toBe(400);
});

test.each([
  `${NO_RUN}?wait=0`,
  `${NO_RUN}?wait=1.5`,
  `${NO_RUN}/conversation?from=0&limit=200`,
  "/v1/batches/a/results?order=finished&follow=true",
  "/v1/batches/team%2Fnightly",
])("%s, which the document allows, is no 400", async (path) => {
  expect((await told("GET", path)).status).toBe(404);
});

const text_ = fc.string({ maxLength: 5 });
const model = fc.constantFrom(GPT, CLAUDE, "gpt", "openai/a b", "openai/\u007f", "openai/ü", "");
const parts = fc.array(
  fc.record({ type: fc.constantFrom("text", "image"), text: text_ }, { requiredKeys: ["type"] }),
  { maxLength: 2 },
);
const fields = {
  input: fc.oneof(text_, parts, fc.constant(null)),
  messages: fc.array(fc.record({ role: fc.constantFrom("user", "system", "robot"), content: text_ }), {
    maxLength: 2,
  }),
  model: fc.oneof(model, fc.uniqueArray(model, { maxLength: 3 })),
  phases: fc.array(fc.record({ model }), { maxLength: 2 }),
  max_turns: fc.oneof(fc.integer({ min: -1, max: 1_001 }), fc.double()),
  budget: fc.record({ usd: fc.integer({ min: -1, max: 1 }), tokens: fc.constant(5) }, { requiredKeys: [] }),
  metadata: fc.dictionary(text_, text_, { maxKeys: 40, size: "max" }),
  unknown: fc.constant(1),
};
/** A spec that is right, with up to three fields given otherwise or left out. */
const spec = fc
  .tuple(
    fc.subarray(Object.keys(fields), { maxLength: 2 }),
    fc.record(fields),
    fc.subarray(["input", "model"], { maxLength: 1 }),
  )
  .map(([names, all, without]) => {
    const changed = Object.entries(all).filter(([name]) => names.includes(name));
    const entries = Object.entries({ input: "hi", model: GPT, ...Object.fromEntries(changed) });
    return Object.fromEntries(entries.filter(([name]) => !without.includes(name)));
  });

test("a spec is refused by its schema when the document forbids it, and else it is not", async () => {
  const verdicts = { refused: 0, taken: 0 };
  await fc.assert(
    fc.asyncProperty(spec, async (body) => {
      const wire: unknown = JSON.parse(JSON.stringify(body));
      const { status, body: answered } = await told("POST", "/v1/runs", wire);
      const isRefused = status === 400 && String(answered.error.message).startsWith("invalid body");
      for (const contract of contracts) {
        expect(contract.bodyFaultsOf("submitRun", wire).length > 0, String(answered.error?.message)).toBe(
          isRefused,
        );
      }
      verdicts[isRefused ? "refused" : "taken"] += 1;
    }),
    { numRuns: 300 },
  );
  expect(verdicts.refused).toBeGreaterThan(20);
  expect(verdicts.taken).toBeGreaterThan(20);
});

test("a rule that is checked by code stands in the document, too", () => {
  const many = Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`key${index}`, ""]));
  for (const contract of contracts) {
    const faultsOf = (metadata: object) =>
      contract.bodyFaultsOf("submitRun", { input: "hi", model: GPT, metadata }).length;
    expect(faultsOf({ key: "" })).toBe(0);
    expect(faultsOf(many)).toBeGreaterThan(0);
    expect(contract.bodyFaultsOf("setPool", {}).length).toBeGreaterThan(0);
    expect(contract.bodyFaultsOf("answerRun", {}).length).toBeGreaterThan(0);
  }
});

test("what is no model id is none to every reader of the document", () => {
  for (const id of [GPT, "x/é", "openai/\u0000", "openai/a b", "openai/\u009f", "Openai/a", "a/b/c:d"]) {
    const isOne = modelIdSchema.safeParse(id).success;
    for (const contract of contracts) {
      expect(contract.bodyFaultsOf("retryRun", { model: id }).length === 0, id).toBe(isOne);
    }
  }
});

test("who shows no key, a wrong one, or one that may not is refused in the document's words", async () => {
  const { headers } = await makeKnownKey(api, { scopes: ["read"], rpm: 5 });
  expect((await told("GET", "/v1/runs")).status).toBe(401);
  expect((await told("GET", "/v1/models")).status).toBe(401);
  expect((await told("GET", "/v1/runs", undefined, { authorization: "Bearer x" })).status).toBe(401);
  expect((await told("POST", "/v1/runs", { input: "hi", model: GPT }, headers)).status).toBe(403);
  expect((await told("POST", "/v1/responses", { input: "hi", model: GPT }, headers)).status).toBe(403);
  let { status } = await told("GET", "/v1/runs", undefined, headers);
  for (let count = 0; count < 5 && status !== 429; count += 1) {
    ({ status } = await told("GET", "/v1/runs", undefined, headers));
  }
  expect(status).toBe(429);
});
