import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Housekeeper } from "./housekeeper.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A housekeeper whose chore ends when the test says so. */
function keep() {
  const chores: PromiseWithResolvers<void>[] = [];
  const errors: unknown[] = [];
  const chore = () => {
    const one = Promise.withResolvers<void>();
    chores.push(one);
    return one.promise;
  };
  const housekeeper = new Housekeeper(1_000, chore, (error) => errors.push(error));
  return { housekeeper, chores, errors };
}

test("a chore comes a pause after the start, and the next a pause after its end", async () => {
  const { housekeeper, chores } = keep();
  housekeeper.start();
  await vi.advanceTimersByTimeAsync(999);
  expect(chores).toHaveLength(0);
  await vi.advanceTimersByTimeAsync(1);
  expect(chores).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(chores).toHaveLength(1);
  chores[0]?.resolve();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(chores).toHaveLength(2);
});

test("a chore that fails is told, and comes again", async () => {
  const { housekeeper, chores, errors } = keep();
  housekeeper.start();
  await vi.advanceTimersByTimeAsync(1_000);
  chores[0]?.reject(new Error("dust"));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(errors).toEqual([new Error("dust")]);
  expect(chores).toHaveLength(2);
});

test("stopping waits for the chore that is under way, and none comes after", async () => {
  const { housekeeper, chores } = keep();
  housekeeper.start();
  await vi.advanceTimersByTimeAsync(1_000);
  let stopped = false;
  const stopping = housekeeper.stop().then(() => {
    stopped = true;
  });
  await vi.advanceTimersByTimeAsync(5_000);
  expect(stopped).toBe(false);
  chores[0]?.resolve();
  await stopping;
  await vi.advanceTimersByTimeAsync(5_000);
  expect(chores).toHaveLength(1);
  expect(vi.getTimerCount()).toBe(0);
});

test("stopping before the first chore lets none begin", async () => {
  const { housekeeper, chores } = keep();
  housekeeper.start();
  await housekeeper.stop();
  housekeeper.start();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(chores).toHaveLength(0);
});
