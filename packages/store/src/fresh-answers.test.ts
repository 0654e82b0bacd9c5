import { expect, test } from "vitest";
import { FreshAnswers } from "./fresh-answers.ts";

test("nobody is told what was asked before it came, and those who come meanwhile share the next answer", async () => {
  const answers = new FreshAnswers<number>();
  const questions: PromiseWithResolvers<number>[] = [];
  const ask = (): Promise<number> => {
    const question = Promise.withResolvers<number>();
    questions.push(question);
    return question.promise;
  };
  const first = answers.get("a", ask);
  const [second, third] = [answers.get("a", ask), answers.get("a", ask)];
  const other = answers.get("b", ask);
  expect(questions).toHaveLength(2);
  questions[0]?.resolve(1);
  expect(await first).toBe(1);
  const fourth = answers.get("a", ask);
  expect(questions).toHaveLength(3);
  questions[2]?.resolve(2);
  expect(await Promise.all([second, third])).toEqual([2, 2]);
  questions[3]?.resolve(3);
  expect(await fourth).toBe(3);
  questions[1]?.resolve(9);
  expect(await other).toBe(9);
  const last = answers.get("a", ask);
  questions[4]?.resolve(4);
  expect(await last).toBe(4);
});

test("a failure is told to those who asked for it, and the next answer is another one", async () => {
  const answers = new FreshAnswers<number>();
  const failed = answers.get("a", () => Promise.reject(new Error("away")));
  const next = answers.get("a", async () => 1);
  await expect(failed).rejects.toThrow("away");
  expect(await next).toBe(1);
  expect(await answers.get("a", async () => 2)).toBe(2);
});
