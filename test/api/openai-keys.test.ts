/** Keys of this API as OpenAI's client shows them, and the errors that it makes of their refusal. */
import { runIdSchema } from "@baton/core";
import OpenAI, { AuthenticationError, ConflictError, PermissionDeniedError, RateLimitError } from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeKnownKey } from "../../apps/api/src/testing/api-keys.ts";
import { type ApiRig, openApiRig } from "../../apps/api/src/testing/api-rig.ts";
import { useRedis } from "../support/redis.ts";
import { call, text } from "../support/scripted-model.ts";

const redis = useRedis();
let api: ApiRig;
beforeAll(async () => {
  api = await openApiRig(redis.url);
});
afterAll(async () => api[Symbol.asyncDispose]());

const clientWith = (apiKey: string) => new OpenAI({ baseURL: `${api.url}/v1`, apiKey, maxRetries: 0 });
const ask = (client: OpenAI, model = "gpt-5.2") =>
  client.chat.completions.create(
    { model, messages: [{ role: "user", content: "?" }] },
    { headers: { "Idempotency-Key": "the same" } },
  );

test("who has no key, no right or too many requests is told so by the client's own errors", async () => {
  const good = await makeKnownKey(api);
  expect((await ask(clientWith(good.text))).choices[0]?.message.content).toBe("Hello.");
  const wrong = await ask(clientWith("sk-wrong")).catch((error: unknown) => error);
  expect(wrong).toBeInstanceOf(AuthenticationError);
  expect(wrong).toMatchObject({ code: "unauthorized", type: "authentication_error" });
  const reader = await makeKnownKey(api, { scopes: ["read"] });
  await expect(ask(clientWith(reader.text))).rejects.toThrow(PermissionDeniedError);
  // The only request of its minute shows that the API knows it.
  const slow = await makeKnownKey(api, { rpm: 1 });
  await expect(ask(clientWith(slow.text))).rejects.toThrow(RateLimitError);
});

test("the same Idempotency-Key of another namespace is another run", async () => {
  const [one, two] = [await makeKnownKey(api), await makeKnownKey(api)];
  const first = await ask(clientWith(one.text));
  const second = await ask(clientWith(two.text), "claude-opus-4-5");
  expect(second.id).not.toBe(first.id);
  await expect(ask(clientWith(one.text), "claude-opus-4-5")).rejects.toThrow(ConflictError);
});

test("ids of calls lead nobody into the run of another namespace", async () => {
  await using rig = await openApiRig(redis.url, {
    // A model of its own, which the other API's worker does not serve.
    script: ({ items }) => ({ parts: [items.length > 1 ? text("Done.") : call("mine")] }),
    patterns: ["xai/*"],
  });
  const clients = [await makeKnownKey(rig), await makeKnownKey(rig)].map(
    ({ text: apiKey }) => new OpenAI({ baseURL: `${rig.url}/v1`, apiKey }),
  );
  const [one, two] = clients;
  if (one === undefined || two === undefined) throw new Error("two clients");
  const body = {
    model: "grok-4",
    tools: [{ type: "function" as const, function: { name: "mine", parameters: {} } }],
  };
  const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "?" }];
  const asked = await one.chat.completions.create({ ...body, messages });
  const message = asked.choices[0]?.message;
  const id = message?.tool_calls?.[0]?.id;
  if (message === undefined || id === undefined) throw new Error("no call");
  messages.push(message, { role: "tool", tool_call_id: id, content: "ok" });
  const origins = await Promise.all(
    [one, two].map(async (client) => {
      const answered = await client.chat.completions.create({ ...body, messages });
      expect(answered.choices[0]?.message.content).toBe("Done.");
      return (await rig.producer.get(runIdSchema.parse(answered.id))).run.forkedFrom?.run;
    }),
  );
  expect(origins).toEqual([asked.id, undefined]);
});
