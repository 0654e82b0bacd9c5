import { expect, test } from "vitest";
import { whyUnusable } from "./answers.ts";

test("who answers in time can be used; who refuses, or says nothing, cannot", async () => {
  const refusing = (why: string) => ({ ping: () => Promise.reject(new Error(why)) });
  expect(await whyUnusable({ ping: async () => "PONG" }, 5_000)).toBeUndefined();
  expect(await whyUnusable(refusing("Connection is closed."), 5_000)).toBe("redis does not answer");
  expect(await whyUnusable({ ping: () => new Promise(() => undefined) }, 5)).toBe("redis does not answer");
  const full = refusing("MISCONF Errors writing to the AOF file: No space left on device");
  expect(await whyUnusable(full, 5_000)).toBe("redis cannot write to its disk");
});
