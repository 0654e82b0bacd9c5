import { expect, test } from "vitest";
import { answers } from "./answers.ts";

test("who answers in time answers; who refuses, or says nothing, does not", async () => {
  expect(await answers({ ping: async () => "PONG" }, 5_000)).toBe(true);
  expect(await answers({ ping: () => Promise.reject(new Error("Connection is closed.")) }, 5_000)).toBe(
    false,
  );
  expect(await answers({ ping: () => new Promise(() => undefined) }, 5)).toBe(false);
});
