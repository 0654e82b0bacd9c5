/** What a caller can tell of a run of another namespace whose id it knows: nothing, however the run is. */
import { expect, test } from "vitest";
import { makeKnownKey } from "../../apps/api/src/testing/api-keys.ts";
import { openApiRig } from "../../apps/api/src/testing/api-rig.ts";
import { encryptionKey } from "../../packages/store/src/keys.ts";
import { testCipher } from "../../packages/store/src/testing/test-cipher.ts";
import { freshRedis } from "../support/redis.ts";
import { call, text } from "../support/scripted-model.ts";

const model = "openai/gpt-5.2";
const tools = [{ type: "function", function: { name: "look", parameters: { type: "object" } } }];

test("one that cannot even be read here answers as one that never was, wherever its id is said", async () => {
  await using redis = await freshRedis();
  const messages = [{ role: "user", content: "Where is the key?" }];
  const script = ({ items }: { readonly items: readonly { readonly role: string }[] }) => ({
    parts: items.some(({ role }) => role === "tool") ? [text("Done.")] : [call("look", {}, "c1")],
  });
  const grant = { namespace: "acme" };
  let made: {
    readonly id: string;
    readonly message: { readonly tool_calls: readonly { readonly id: string }[] };
  };
  {
    await using before = await openApiRig(redis.url, { script, cipher: testCipher("k1") });
    const owner = await makeKnownKey(before, grant);
    const { body } = await before.call(
      "POST",
      "/v1/chat/completions",
      { model, messages, tools },
      owner.headers,
    );
    made = { id: body.id, message: body.choices[0].message };
    // The key that it was written with is taken away, though the run is there.
    await before.store.connection.del(encryptionKey());
  }
  await using api = await openApiRig(redis.url, { script, cipher: testCipher("k2") });
  const [owner, other] = [await makeKnownKey(api, grant), await makeKnownKey(api)];
  const look = (id: string, by: typeof owner) => api.call("GET", `/v1/runs/${id}`, undefined, by.headers);
  expect((await look(made.id, owner)).status).not.toBe(404);
  const never = `r_0_${"0".repeat(26)}`;
  const [theirs, nobodys] = [await look(made.id, other), await look(never, other)];
  expect(theirs.status).toBe(404);
  expect(theirs.text.replaceAll(made.id, never)).toBe(nobodys.text);
  // Its calls, answered by somebody who was told of them: another run, which has nothing of it.
  const answered = [
    ...messages,
    made.message,
    { role: "tool", tool_call_id: made.message.tool_calls[0]?.id, content: "x" },
  ];
  const taken = await api.call(
    "POST",
    "/v1/chat/completions",
    { model, tools, messages: answered },
    other.headers,
  );
  expect([taken.status, taken.body.choices?.[0].message.content]).toEqual([200, "Done."]);
  const goesOn = { model, input: "x", previous_response_id: `resp_${made.id}` };
  expect((await api.call("POST", "/v1/responses", goesOn, other.headers)).body.error.code).toBe(
    "previous_response_not_found",
  );
  const fork = (id: string) => api.call("POST", `/v1/runs/${id}/fork`, { input: "x" }, other.headers);
  expect((await fork(made.id)).text.replaceAll(made.id, never)).toBe((await fork(never)).text);
});
