import { expect, test } from "vitest";
import { Turns } from "./turns.ts";

test("what has the same name is done one after another, also behind one that fails; other names do not wait", async () => {
  const turns = new Turns();
  const order: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = turns.take("a", async () => {
    await gate.promise;
    order.push("first");
    throw new Error("it failed");
  });
  const second = turns.take("a", async () => order.push("second"));
  const third = turns.take("a", async () => order.push("third"));
  expect(await turns.take("b", async () => "at once")).toBe("at once");
  expect(order).toEqual([]);
  gate.resolve();
  await expect(first).rejects.toThrow("it failed");
  await Promise.all([second, third]);
  expect(order).toEqual(["first", "second", "third"]);
});
