import { modelIdSchema, newRunId } from "@baton/core";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { luaKeys, queueNameOf, runKeys, shardKeys } from "./keys.ts";
import { systemIds } from "./testing/make-run.ts";

const redis = useRedis();

test.each([0, 7])(
  "a script finds the keys of a run and its shard (%i) from the key of the run",
  async (shard) => {
    const id = newRunId(shard, systemIds);
    const script = `${luaKeys()}return cjson.encode(keys_of(KEYS[1]))`;
    const reply = await redis.connect().eval(script, 1, runKeys(id).run);
    const shared = Object.entries(shardKeys(shard)).map(([name, key]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      key,
    ]);
    expect(JSON.parse(String(reply))).toEqual({ id, ...runKeys(id), ...Object.fromEntries(shared) });
  },
);

test("all keys of a shard have one hash tag, so that a script touches one slot of a cluster", () => {
  for (const shard of [0, 7]) {
    const keys = [...Object.values(shardKeys(shard)), ...Object.values(runKeys(newRunId(shard, systemIds)))];
    expect(new Set(keys.map((key) => /^\{[^}]+\}/.exec(key)?.[0])).size).toBe(1);
  }
});

test("a queue name holds no colon, and no two pools share one", () => {
  const pools = ["ollama/qwen3:8b", "ollama/qwen3%3A8b", "ollama/qwen3%253A8b", "a/b:c:d"];
  const names = pools.map((pool) => queueNameOf(modelIdSchema.parse(pool)));
  expect(names).toEqual(["ollama/qwen3%3A8b", "ollama/qwen3%253A8b", "ollama/qwen3%25253A8b", "a/b%3Ac%3Ad"]);
});
