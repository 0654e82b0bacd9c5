import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { spaceKeys } from "./keys.ts";
import { SpaceWalk } from "./space-walk.ts";
import { spaceRunsKey } from "./spaces.ts";

const redis = useRedis();

/** Walks to the end; gives what was seen, and how much came with each step. */
async function walkThrough(walk: SpaceWalk) {
  const seen = new Set<string>();
  const sizes: number[] = [];
  const ended: string[] = [];
  for (;;) {
    const { pages, isOver } = await walk.step();
    for (const { namespace, members, isLast } of pages) {
      for (const member of members) seen.add(`${namespace} ${member}`);
      if (isLast) ended.push(namespace);
    }
    sizes.push(pages.reduce((sum, { members }) => sum + members.length, pages.length));
    if (isOver) return { seen, sizes, ended };
  }
}

test("a walk meets each member of each namespace, a little at a time, and then begins anew", async () => {
  const connection = redis.connect({ enableAutoPipelining: true });
  const names = Array.from({ length: 400 }, (_, place) => `n${place}`);
  const expected = new Set<string>();
  for (const [place, name] of names.entries()) {
    // Most have one run, and one has very many.
    const members = Array.from({ length: place === 7 ? 2_000 : 1 }, (_, run) => `live/${name}-${run}`);
    for (const member of members) expected.add(`${name} ${member}`);
    await connection.zadd(spaceRunsKey(0, name), ...members.flatMap((member) => ["0", member]));
  }
  await connection.sadd(spaceKeys(0).namespaces, ...names);
  const walk = new SpaceWalk(connection, 0);
  for (let round = 0; round < 2; round += 1) {
    const { seen, sizes, ended } = await walkThrough(walk);
    expect(seen).toEqual(expected);
    expect(new Set(ended)).toEqual(new Set(names));
    expect(Math.max(...sizes)).toBeLessThan(250);
    expect(sizes.length).toBeGreaterThan(20);
  }
});

test("a store without namespaces is walked through in one step", async () => {
  const connection = redis.connect();
  await connection.flushall();
  expect(await new SpaceWalk(connection, 0).step()).toEqual({ pages: [], isOver: true });
});
