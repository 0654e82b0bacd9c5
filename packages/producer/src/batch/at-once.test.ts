/** Many at once: the bound, the order, and what is left behind when one fails. */
import { describe, expect, test } from "vitest";
import { until } from "../../../../test/support/until.ts";
import { forEachAtOnce, mapAtOnce } from "./at-once.ts";

async function* numbers(count: number): AsyncGenerator<number> {
  for (let number = 0; number < count; number += 1) yield number;
}

const never = new AbortController().signal;

/** Work that ends when it is told to. */
function gate() {
  const open: (() => void)[] = [];
  return {
    open,
    act: (): Promise<void> => new Promise((resolve) => open.push(resolve)),
  };
}

describe("for each at once", () => {
  test("no more are at work than the bound, and all are done", async () => {
    const { open, act } = gate();
    let most = 0;
    let atWork = 0;
    const all = forEachAtOnce(
      numbers(20),
      6,
      async () => {
        atWork += 1;
        most = Math.max(most, atWork);
        await act();
        atWork -= 1;
      },
      never,
    );
    let ended = 0;
    while (ended < 20) {
      await until(() => open.length > 0, { what: "work" });
      ended += open.length;
      for (const done of open.splice(0)) done();
    }
    await all;
    expect(most).toBe(6);
  });

  test("heavy ones go fewer at a time, and one that is too heavy goes alone", async () => {
    const { open, act } = gate();
    const weights = [3, 3, 3, 1, 50, 1];
    const begun: number[] = [];
    const all = forEachAtOnce(
      numbers(weights.length),
      100,
      (number) => {
        begun.push(number);
        return act();
      },
      never,
      { max: 8, of: (number) => weights[number] ?? 0 },
    );
    const groups: number[][] = [];
    while (groups.flat().length < weights.length) {
      await until(() => open.length > 0, { what: "work" });
      groups.push(begun.splice(0));
      for (const done of open.splice(0)) done();
    }
    await all;
    expect(groups).toEqual([[0, 1, 2], [3, 4], [5]]);
  });

  test("what has begun is waited for when one fails, and the first error is thrown", async () => {
    const { open, act } = gate();
    const done: number[] = [];
    const all = forEachAtOnce(
      numbers(10),
      4,
      async (number) => {
        if (number === 3) throw new Error("first");
        await act();
        done.push(number);
      },
      never,
    );
    let isOver = false;
    void all
      .catch(() => undefined)
      .then(() => {
        isOver = true;
      });
    await until(() => open.length === 3, { what: "three at work" });
    expect(isOver).toBe(false);
    while (!isOver) {
      for (const one of open.splice(0)) one();
      await until(() => open.length > 0 || isOver, { what: "the end" });
    }
    await expect(all).rejects.toThrow("first");
    expect(done).toEqual([0, 1, 2]);
  });

  test("an error of the values is thrown when what has begun is done", async () => {
    const { open, act } = gate();
    const broken = async function* () {
      yield 1;
      throw new Error("torn");
    };
    const all = forEachAtOnce(broken(), 4, act, never);
    await until(() => open.length === 1, { what: "one at work" });
    open[0]?.();
    await expect(all).rejects.toThrow("torn");
  });

  test("after an abort nothing more begins", async () => {
    const stop = new AbortController();
    const begun: number[] = [];
    await forEachAtOnce(
      numbers(10),
      2,
      async (number) => {
        begun.push(number);
        if (number === 2) stop.abort();
      },
      stop.signal,
    );
    expect(begun.length).toBeLessThan(6);
  });
});

describe("mapped at once", () => {
  test("in the order of the values, though later ones are made first", async () => {
    const waits = Array.from({ length: 6 }, () => Promise.withResolvers<void>());
    const make = async (number: number) => {
      await waits[number]?.promise;
      return number;
    };
    const made = Array.fromAsync(mapAtOnce(numbers(6), 3, make));
    for (const { resolve } of waits.toReversed()) resolve();
    expect(await made).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test("what is made comes out while the next value lets itself be waited for, which a caller who leaves does not", async () => {
    const next = Promise.withResolvers<void>();
    let isLeft = false;
    const slow = async function* () {
      try {
        yield 0;
        yield 1;
        await next.promise;
        yield 2;
      } finally {
        isLeft = true;
      }
    };
    const made: number[] = [];
    for await (const one of mapAtOnce(slow(), 6, async (number) => number)) {
      made.push(one);
      if (one === 1) break;
    }
    expect(made).toEqual([0, 1]);
    next.resolve();
    await until(() => isLeft, { what: "the end of the values" });
  });

  test("no more are made than the bound, while the caller is at the first", async () => {
    let begun = 0;
    const make = async () => {
      begun += 1;
      await Promise.resolve();
    };
    for await (const _ of mapAtOnce(numbers(50), 4, make)) {
      expect(begun).toBeLessThanOrEqual(5);
      break;
    }
  });

  test("one that fails ends it, and none of the others is an error that nobody heard of", async () => {
    const make = async (number: number) => {
      throw new Error(`no ${number}`);
    };
    await expect(Array.fromAsync(mapAtOnce(numbers(6), 3, make))).rejects.toThrow("no 0");
  });
});
