/** A key that is revoked ends all that it has open, on every route that answers for as long as a run goes on. */
import { openApiKeys } from "@baton/store";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeKnownKey, type TestKey } from "../../apps/api/src/testing/api-keys.ts";
import { type ApiRig, openApiRig } from "../../apps/api/src/testing/api-rig.ts";
import { line, postBatch } from "../../apps/api/src/testing/batch-rig.ts";
import { useRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";
import { systemIds } from "../support/worker-rig.ts";

const redis = useRedis();
const model = "openai/gpt-5.2";
const gate = Promise.withResolvers<void>();
let api: ApiRig;
beforeAll(async () => {
  api = await openApiRig(redis.url, {
    script: async () => {
      await gate.promise;
      return { parts: [{ type: "text", text: "Hello." }] };
    },
  });
});
afterAll(async () => {
  gate.resolve();
  await api[Symbol.asyncDispose]();
});

interface Asked {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: unknown;
}

/** All that stays open while the run of the key goes on. */
function longAnswers(runId: string): Readonly<Record<string, Asked>> {
  const chat = { model, messages: [{ role: "user", content: "hi" }] };
  const task = { model, input: "hi" };
  const get = (path: string): Asked => ({ method: "GET", path });
  const post = (path: string, body: unknown): Asked => ({ method: "POST", path, body });
  const wait = { name: "wait_run", arguments: { run_id: runId, seconds: 50 } };
  return {
    events: get(`/v1/runs/${runId}/events`),
    "a run that is waited for": get(`/v1/runs/${runId}?wait=50`),
    "a submission that is waited for": post("/v1/runs?wait=50", task),
    "a chat": post("/v1/chat/completions", chat),
    "a chat's stream": post("/v1/chat/completions", { ...chat, stream: true }),
    "a response": post("/v1/responses", task),
    "a response's stream": post("/v1/responses", { ...task, stream: true }),
    "a response that is looked up": get(`/v1/responses/resp_${runId}?stream=true`),
    "results of a batch": get("/v1/batches/b/results?order=finished&follow=true"),
    "errors of a batch": get("/v1/batches/b/errors?order=finished&follow=true"),
    "a tool's wait": post("/mcp", { jsonrpc: "2.0", id: 1, method: "tools/call", params: wait }),
  };
}

async function ask({ method, path, body }: Asked, key: TestKey): Promise<string> {
  const headers = {
    ...key.headers,
    accept: "application/json, text/event-stream",
    ...(body === undefined ? {} : { "content-type": "application/json" }),
  };
  try {
    const response = await fetch(api.url + path, {
      ...{ method, headers, signal: AbortSignal.timeout(20_000) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    await response.text();
    return String(response.status);
  } catch (error) {
    return error instanceof DOMException ? "went on" : "cut";
  }
}

test("every stream is cut, and every wait refused; another key's go on", { timeout: 40_000 }, async () => {
  const [key, other] = [await makeKnownKey(api), await makeKnownKey(api)];
  const submit = async (by: TestKey): Promise<string> => {
    await postBatch(api.url, "?id=b", line("a"), by.headers);
    return (await api.call("POST", "/v1/runs", { input: "hi", model }, by.headers)).body.id;
  };
  const [own, others] = [longAnswers(await submit(key)), longAnswers(await submit(other))];
  const names = Object.keys(own);
  const isOver = new Set<string>();
  const follow = async (asked: Asked | undefined, by: TestKey, name: string) => {
    if (asked === undefined) throw new Error(`nothing is asked for ${name}`);
    const said = await ask(asked, by);
    isOver.add(`${by.id} ${name}`);
    return said;
  };
  const answers = names.map((name) => follow(own[name], key, name));
  const goOn = names.map((name) => follow(others[name], other, name));
  const openNow = async () =>
    Number(
      /^baton_api_requests_open (\d+)$/m.exec(
        (await api.call("GET", "/metrics", undefined, other.headers)).text,
      )?.[1],
    );
  await until(async () => isOver.size > 0 || (await openNow()) > 2 * names.length, {
    what: "all to be under way",
  });
  expect([...isOver]).toEqual([]);
  await openApiKeys(redis.connect(), systemIds).revoke(key.id);
  const ended = Object.fromEntries((await Promise.all(answers)).map((said, place) => [names[place], said]));
  for (const [name, said] of Object.entries(ended))
    expect([name, said]).toEqual([name, expect.toBeOneOf(["cut", "401"])]);
  expect([...isOver].filter((one) => one.startsWith(other.id))).toEqual([]);
  gate.resolve();
  await Promise.all(goOn);
});
