import fc from "fast-check";
import { expect, test } from "vitest";
import { Places } from "./places.ts";
import { claude, gpt } from "./testing/log.ts";

const never = new AbortController().signal;

/** Waits for a place; `order` hears of those that get one. */
function wait(places: Places, pool: typeof gpt, order: string[], signal = never): Promise<void> {
  return places.take(pool, signal).then((isTaken) => {
    order.push(isTaken ? pool : `${pool} left`);
  });
}
const settle = () => new Promise((resolve) => setImmediate(resolve));

test("as many places are taken as there are, and not one more", async () => {
  const places = new Places(2);
  expect([places.tryTake(gpt), places.tryTake(claude), places.tryTake(gpt)]).toEqual([true, true, false]);
  const order: string[] = [];
  void wait(places, gpt, order);
  await settle();
  expect(order).toEqual([]);
  places.give(claude);
  await settle();
  expect(order).toEqual([gpt]);
  expect(places.taken).toBe(2);
  expect(places.takenByPool).toEqual({ [gpt]: 2 });
});

test("a pool that has no work keeps no place from one that has", () => {
  const places = new Places(3);
  expect([1, 2, 3].map(() => places.tryTake(gpt))).toEqual([true, true, true]);
});

test("freed places are offered to the pools that wait in turn, whoever waits for how many", async () => {
  const places = new Places(1);
  places.tryTake(gpt);
  const order: string[] = [];
  for (let turn = 0; turn < 3; turn += 1) void wait(places, gpt, order);
  for (let turn = 0; turn < 2; turn += 1) void wait(places, claude, order);
  for (let turn = 0; turn < 5; turn += 1) {
    places.give(turn === 0 ? gpt : order.at(-1) === gpt ? gpt : claude);
    await settle();
  }
  expect(order).toEqual([gpt, claude, gpt, claude, gpt]);
});

test("a cap bounds a pool, and the place that it may not have goes to another", async () => {
  const places = new Places(3);
  places.cap(gpt, 1);
  expect([places.tryTake(gpt), places.tryTake(gpt)]).toEqual([true, false]);
  const order: string[] = [];
  void wait(places, gpt, order);
  void wait(places, claude, order);
  await settle();
  expect(order).toEqual([claude]);
  places.cap(gpt, 2);
  await settle();
  expect(order).toEqual([claude, gpt]);
  expect(places.caps).toEqual({ [gpt]: 2 });
  places.cap(gpt, undefined);
  expect(places.caps).toEqual({});
});

test("one goes on in its place until it is another pool's turn; then the other goes on in its own", async () => {
  const places = new Places(1);
  places.tryTake(gpt);
  expect(places.mayGoOn(gpt)).toBe(true);
  const order: string[] = [];
  void wait(places, gpt, order);
  void wait(places, claude, order);
  // The first of them is its own: going on uses up that turn.
  expect(places.mayGoOn(gpt)).toBe(true);
  expect(places.mayGoOn(gpt)).toBe(false);
  places.give(gpt);
  await settle();
  expect(order).toEqual([claude]);
  expect(places.mayGoOn(claude)).toBe(false);
});

test("those who wait for one pool have its turns in turn: one gives its place up to another of them", async () => {
  const places = new Places(1);
  places.tryTake(gpt);
  const order: string[] = [];
  const wait = (who: string) => places.take(gpt, never, who).then(() => order.push(who));
  void wait("one");
  void wait("other");
  // The first of them is its own; then the other's turn comes.
  expect([places.mayGoOn(gpt, "one"), places.mayGoOn(gpt, "one")]).toEqual([true, false]);
  places.give(gpt);
  await settle();
  expect(order).toEqual(["other"]);
  expect([places.mayGoOn(gpt, "other")]).toEqual([false]);
  places.give(gpt);
  await settle();
  expect(places.mayGoOn(gpt, "one")).toBe(true);
});

test("one goes on past a pool that waits and may not have more, and not past its own cap", () => {
  const places = new Places(2);
  places.cap(claude, 1);
  places.tryTake(gpt);
  places.tryTake(claude);
  void places.take(claude, never);
  expect(places.mayGoOn(gpt)).toBe(true);
  expect(places.mayGoOn(claude)).toBe(true);
  places.tryTake(gpt);
  places.cap(gpt, 0);
  expect(places.mayGoOn(gpt)).toBe(false);
});

test("who stops waiting gets no place, and leaves none taken", async () => {
  const places = new Places(1);
  places.tryTake(gpt);
  const order: string[] = [];
  const stopping = new AbortController();
  const left = wait(places, claude, order, stopping.signal);
  stopping.abort();
  await left;
  places.give(gpt);
  expect(order).toEqual([`${claude} left`]);
  expect(places.taken).toBe(0);
  expect(await places.take(gpt, stopping.signal)).toBe(false);
});

test("a place that is given back twice is a bug, and said", () => {
  const places = new Places(1);
  places.tryTake(gpt);
  places.give(gpt);
  expect(() => places.give(gpt)).toThrow(/given back twice/);
});

test("whatever happens, no place is lost, none is taken beyond the bounds, and none is free while one waits for it", async () => {
  const pools = [gpt, claude];
  const step = fc.record({
    pool: fc.constantFrom(...pools),
    act: fc.constantFrom("take", "try", "give", "leave", "cap", "go on"),
    number: fc.integer({ min: 0, max: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(step, { maxLength: 60 }),
      async (size, steps) => {
        const places = new Places(size);
        const caps = new Map(pools.map((pool) => [pool, size]));
        const taken = new Map(pools.map((pool) => [pool, 0]));
        const waiting = new Map(pools.map((pool) => [pool, new Set<AbortController>()]));
        const count = (pool: typeof gpt, by: number) => taken.set(pool, (taken.get(pool) ?? 0) + by);
        for (const { pool, act, number } of steps) {
          const before = places.takenBy(pool);
          if (act === "take") {
            const leaving = new AbortController();
            waiting.get(pool)?.add(leaving);
            void places.take(pool, leaving.signal).then((isTaken) => {
              waiting.get(pool)?.delete(leaving);
              if (isTaken) count(pool, 1);
            });
          } else if (act === "try") {
            if (places.tryTake(pool)) count(pool, 1);
          } else if (act === "give" && (taken.get(pool) ?? 0) > 0) {
            count(pool, -1);
            places.give(pool);
          } else if (act === "leave") {
            for (const leaving of [...(waiting.get(pool) ?? [])].slice(0, 1)) leaving.abort();
          } else if (act === "cap") {
            caps.set(pool, number);
            places.cap(pool, number);
          } else if (act === "go on" && before > 0) places.mayGoOn(pool);
          await settle();
          const total = pools.reduce((sum, each) => sum + (taken.get(each) ?? 0), 0);
          expect(places.taken).toBe(total);
          expect(total).toBeLessThanOrEqual(size);
          for (const each of pools) {
            const cap = caps.get(each) ?? size;
            expect(places.takenBy(each)).toBe(taken.get(each));
            // A cap that is lowered ends nothing that is at work.
            if (each === pool && act !== "cap" && places.takenBy(each) > before) {
              expect(places.takenBy(each)).toBeLessThanOrEqual(cap);
            }
            const isFree = total < size && places.takenBy(each) < cap;
            expect(isFree && (waiting.get(each)?.size ?? 0) > 0).toBe(false);
          }
        }
      },
    ),
    { numRuns: 200 },
  );
});
