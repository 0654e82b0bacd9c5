/** What callers, models and tools say is nowhere in Redis when there are encryption keys, and reads as it was. */
import { expect, test } from "vitest";
import { testCipher } from "../../packages/store/src/testing/test-cipher.ts";
import { useRedis } from "../support/redis.ts";
import { contentsOf, watchCommands } from "../support/redis-contents.ts";
import { type CanaryWorld, playWorld } from "./canary-world.ts";

const redis = useRedis();

/** Where each word that was planted is found: in what Redis holds at the end, or in what it was ever sent. */
async function foundIn(play: () => Promise<CanaryWorld>) {
  using watch = await watchCommands(redis.url);
  const world = await play();
  await watch.settled();
  const held = await contentsOf(redis.connect());
  const texts = [...[...held].map(([key, content]) => `${key}\n${content}`), ...watch.commands];
  const all = texts.join("\n");
  const found = [...world.planted].filter(([, word]) => all.includes(word)).map(([where]) => where);
  return { world, found, held, commands: watch.commands };
}

test("without keys Redis holds each word that was planted, so that what follows can fail", async () => {
  const { world, found } = await foundIn(() => playWorld(redis.url, undefined));
  expect(world.planted.size).toBe(39);
  expect(found.toSorted()).toEqual([...world.planted.keys()].toSorted());
}, 60_000);

test("with keys no word is in Redis, in no key, no argument and no job, and all of it reads as it was", async () => {
  const { world, found, held, commands } = await foundIn(() => playWorld(redis.url, testCipher("k1")));
  expect(held.size).toBeGreaterThan(20);
  expect(commands.length).toBeGreaterThan(200);
  expect(found).toEqual([]);
  // The longest conversation lies there packed, and its pack is sealed.
  expect([...held.values()].filter((content) => content.startsWith("~p1.k1."))).toHaveLength(2);
  const unread = [...world.planted].filter(([, word]) => !world.told.includes(word)).map(([where]) => where);
  expect(unread).toEqual([]);
}, 60_000);
