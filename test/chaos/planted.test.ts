/** The checker on histories of the real thing: one in which all is well, and one for each bug that is planted. */
import { describe, expect, test } from "vitest";
import { useRedis } from "../support/redis.ts";
import { checkHistory } from "./checker.ts";
import type { History } from "./history.ts";
import { PLANTED_BUGS } from "./planted.ts";
import { BREACHES } from "./planted-breaches.ts";
import { openWorld } from "./planted-world.ts";

const redis = useRedis();

/** What planted-history.ts writes by hand, done by the real thing. */
async function recorded(): Promise<History> {
  await using world = await openWorld(redis.url);
  await world.startWorker();
  await world.ended(await world.submit("first", ["tools", "transfer", "text"]));
  const second = await world.submit("second", ["refuse", "text"]);
  const { epoch } = await world.ended(second);
  await world.ask("second", "retry");
  await world.ended(second);
  expect((await world.run(second)).epoch).toBeGreaterThan(epoch);
  // Not before it is told may the world end.
  return await world.history();
}

describe("a recorded history", () => {
  test("has nothing wrong, and every planted breach of it is named", async () => {
    const history = await recorded();
    expect(checkHistory(history)).toEqual([]);
    for (const { invariant, what, plant } of BREACHES) {
      const named = new Set(checkHistory(plant(history)).map((violation) => violation.invariant));
      expect(named, what).toEqual(new Set([invariant]));
    }
  });
});

describe("a planted bug", () => {
  test.each(PLANTED_BUGS)("$breaks: $what", async ({ breaks, play, recoveryMsMax }) => {
    await using world = await openWorld(redis.url);
    await play(world);
    const violations = checkHistory(
      await world.history(),
      recoveryMsMax === undefined ? {} : { recoveryMsMax },
    );
    expect(new Set(violations.map(({ invariant }) => invariant)), JSON.stringify(violations)).toEqual(
      new Set(breaks),
    );
  });

  test("there is one for each invariant", () => {
    const all = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((number) => `R${number}`);
    const broken = PLANTED_BUGS.flatMap(({ breaks }) => breaks);
    expect(new Set(broken)).toEqual(new Set([...all, "conversation", "lost"]));
  });
});
