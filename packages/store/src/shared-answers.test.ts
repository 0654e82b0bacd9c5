import { expect, test } from "vitest";
import { SharedAnswers } from "./shared-answers.ts";

test("who asks while an answer is under way gets that one; who asks later asks anew", async () => {
  const answers = new SharedAnswers<number>();
  let asked = 0;
  const ask = async (): Promise<number> => {
    asked += 1;
    return asked;
  };
  expect(await Promise.all([answers.get("a", ask), answers.get("a", ask), answers.get("b", ask)])).toEqual([
    1, 1, 2,
  ]);
  expect(await answers.get("a", ask)).toBe(3);
});

test("a failure is shared, and not kept", async () => {
  const answers = new SharedAnswers<number>();
  const fail = () => Promise.reject(new Error("away"));
  const both = await Promise.allSettled([answers.get("a", fail), answers.get("a", async () => 1)]);
  expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(await answers.get("a", async () => 2)).toBe(2);
});
