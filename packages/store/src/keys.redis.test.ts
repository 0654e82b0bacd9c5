import { modelIdSchema, newRunId } from "@baton/core";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import {
  admissionKeys,
  apiKeysKey,
  limitKeys,
  limitsKey,
  luaKeys,
  queueNameOf,
  reconcilerKeys,
  requestsKey,
  runKeys,
  settingsKey,
  shardKeys,
  shardsKey,
  spaceKeys,
} from "./keys.ts";
import { systemIds } from "./testing/make-run.ts";

const redis = useRedis();

test.each([0, 7])(
  "a script finds the keys of a run and its shard (%i) from the key of the run",
  async (shard) => {
    const id = newRunId(shard, systemIds);
    const script = `${luaKeys()}
      local keys = keys_of(KEYS[1])
      return cjson.encode({ keys, admission_of(keys.tag), spaces_of(keys.tag) })`;
    const reply = await redis.connect().eval(script, 1, runKeys(id).run);
    const tag = shard === 0 ? "{baton}" : `{baton-${shard}}`;
    expect(JSON.parse(String(reply))).toEqual([
      { id, tag, ...runKeys(id), ...inLua(shardKeys(shard)) },
      inLua(admissionKeys(shard)),
      inLua(spaceKeys(shard)),
    ]);
  },
);

/** Names as the Lua functions have them. */
function inLua(keys: object): object {
  const named = Object.entries(keys).map(([name, key]) => [
    name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    key,
  ]);
  return Object.fromEntries(named);
}

test("all keys of a shard have one hash tag, so that a script touches one slot of a cluster", () => {
  for (const shard of [0, 7]) {
    const tables = [shardKeys(shard), admissionKeys(shard), spaceKeys(shard), reconcilerKeys(shard)];
    const keys = [...tables, runKeys(newRunId(shard, systemIds))].flatMap((table) => Object.values(table));
    expect(new Set(keys.map((key) => /^\{[^}]+\}/.exec(key)?.[0])).size).toBe(1);
  }
});

test("what belongs to the whole store lies in shard 0, and no two keys of a shard are one", () => {
  const own = [shardsKey(), settingsKey(), limitsKey(), limitKeys("").bucket, limitKeys("").calls];
  own.push(apiKeysKey(), requestsKey(""));
  for (const key of own) expect(key).toMatch(/^\{baton\}:/);
  const tables = [shardKeys(0), reconcilerKeys(0), spaceKeys(0)].flatMap((table) => Object.values(table));
  // The prefixes of runs and batches are there to be read from feed.lua too.
  const { batchPrefix, ...admission } = admissionKeys(0);
  expect(batchPrefix).toBe(shardKeys(0).batchPrefix);
  const all = [...tables, ...own, ...Object.values(admission)];
  expect(new Set(all).size).toBe(all.length);
});

test("a queue name holds no colon, and no two pools share one", () => {
  const pools = ["ollama/qwen3:8b", "ollama/qwen3%3A8b", "ollama/qwen3%253A8b", "a/b:c:d"];
  const names = pools.map((pool) => queueNameOf(modelIdSchema.parse(pool)));
  expect(names).toEqual(["ollama/qwen3%3A8b", "ollama/qwen3%253A8b", "ollama/qwen3%25253A8b", "a/b%3Ac%3Ad"]);
});
