import { expect, test } from "vitest";
import { abortable } from "./waiting.ts";

const never = new Promise<never>(() => undefined);

test("the work's answer, or its failure, is the wait's", async () => {
  const { signal } = new AbortController();
  expect(await abortable(Promise.resolve("done"), signal)).toBe("done");
  await expect(abortable(Promise.reject(new Error("broken")), signal)).rejects.toThrow("broken");
});

test("a wait is given up with the signal's reason, while the work goes on", async () => {
  const giveUp = new AbortController();
  const { promise: work, resolve } = Promise.withResolvers<string>();
  const waiting = abortable(work, giveUp.signal);
  const another = abortable(work, new AbortController().signal);
  giveUp.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  resolve("done");
  expect(await another).toBe("done");
});

test("nobody waits behind a signal that was aborted before, and a failure of the work is no unhandled one", async () => {
  const signal = AbortSignal.abort(new Error("enough"));
  await expect(abortable(never, signal)).rejects.toThrow("enough");
  await expect(abortable(Promise.reject(new Error("broken")), signal)).rejects.toThrow("enough");
  await expect(abortable(Promise.resolve("done"), signal)).rejects.toThrow("enough");
});
