/** A chat whose store is encrypted: what the client, its functions and the model say is nowhere in Redis. */
import { runIdSchema } from "@baton/core";
import OpenAI from "openai";
import { expect, test } from "vitest";
import { openApiRig } from "../../apps/api/src/testing/api-rig.ts";
import { testCipher } from "../../packages/store/src/testing/test-cipher.ts";
import { useRedis } from "../support/redis.ts";
import { contentsOf } from "../support/redis-contents.ts";
import { call, text } from "../support/scripted-model.ts";

const redis = useRedis();
const WORDS = ["marigold", "hollyhock", "snapdragon", "foxglove", "larkspur"];

test.each([
  ["in clear", undefined, WORDS],
  ["encrypted", testCipher("k1"), []],
])("a call of the caller's function is taken up from a store that is %s", async (_how, cipher, found) => {
  const [question, thought, argument, result, answer] = WORDS;
  await using api = await openApiRig(redis.url, {
    ...(cipher === undefined ? {} : { cipher }),
    script: ({ items }) => ({
      parts: items.some(({ role }) => role === "tool")
        ? [text(`It is ${answer}.`)]
        : [text(`Let me ask about ${thought}.`), call("look", { word: argument }, "c1")],
    }),
  });
  const client = new OpenAI({ baseURL: `${api.url}/v1`, apiKey: "any" });
  const body = {
    model: "gpt-5.2",
    tools: [{ type: "function" as const, function: { name: "look", parameters: { type: "object" } } }],
  };
  const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: `What is ${question}?` }];
  const asked = await client.chat.completions.create({ ...body, messages });
  const message = asked.choices[0]?.message;
  const [made] = message?.tool_calls ?? [];
  if (message === undefined || made === undefined) throw new Error("no call");
  messages.push(message, { role: "tool", tool_call_id: made.id, content: `It says ${result}.` });
  const streamed = client.chat.completions.stream({ ...body, messages });
  const { id, choices } = await streamed.finalChatCompletion();
  expect(choices[0]?.message.content).toBe(`It is ${answer}.`);
  expect((await api.producer.get(runIdSchema.parse(id))).run.forkedFrom?.run).toBe(asked.id);
  const held = [...(await contentsOf(redis.connect())).values()].join("\n");
  expect(WORDS.filter((word) => held.includes(word))).toEqual(found);
});
