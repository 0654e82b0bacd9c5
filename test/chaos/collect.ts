/** Writes down what Redis holds at the end: every run with its conversation, and every string for R9's sake. */
import { runIdSchema } from "@baton/core";

import { type Ledger, type RedisClient, shardKeys, unpackLog } from "@baton/store";
import { writeLine } from "./files.ts";

const AT_ONCE = 50;

export async function collectRuns(ledger: Ledger, folder: string): Promise<void> {
  const members = await ledger.redis.zrange(shardKeys(0).status, "0", "-1");
  const ids = members.map((member) => runIdSchema.parse(member.slice(member.indexOf("/") + 1)));
  await inBatches(ids, async (id) => {
    const [found, items] = await Promise.all([ledger.read(id), ledger.conversation(id)]);
    if (found === undefined) {
      writeLine(folder, "notes", { at: Date.now(), note: `${id} is in the index and nowhere else` });
      return;
    }
    const { run, spec } = found;
    writeLine(folder, "runs", { mark: spec.metadata?.mark ?? "", run, spec, items });
  });
}

export async function collectTexts(redis: RedisClient, folder: string): Promise<void> {
  let cursor = "0";
  do {
    const [next, keys] = await redis.scan(cursor, "COUNT", 1_000);
    cursor = next;
    await inBatches(keys, async (key) => {
      const value = await contentOf(redis, key);
      writeLine(folder, "texts", {
        where: key,
        text: typeof value === "string" ? value : JSON.stringify(value),
      });
    });
  } while (cursor !== "0");
}

async function contentOf(redis: RedisClient, key: string): Promise<unknown> {
  switch (await redis.type(key)) {
    case "string":
      return redis.get(key);
    case "hash":
      return redis.hgetall(key);
    case "list":
      return unpackLog(await redis.lrangeBuffer(key, 0, -1));
    case "set":
      return redis.smembers(key);
    case "zset":
      return redis.zrange(key, "0", "-1");
    case "stream":
      return redis.xrange(key, "-", "+");
    default:
      return "";
  }
}

async function inBatches<Value>(
  values: readonly Value[],
  each: (value: Value) => Promise<void>,
): Promise<void> {
  for (let from = 0; from < values.length; from += AT_ONCE) {
    await Promise.all(values.slice(from, from + AT_ONCE).map(each));
  }
}
