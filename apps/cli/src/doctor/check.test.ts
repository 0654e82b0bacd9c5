import { expect, test } from "vitest";
import { attempt, ok } from "./check.ts";

const OPTIONS = {
  name: "server",
  limitMs: 10_000,
  scrub: (text: string) => text.replace("canary", "[redacted]"),
};

test("what an examination finds is passed on", async () => {
  expect(await attempt(OPTIONS, async () => [ok("a", "b")])).toEqual([ok("a", "b")]);
});

test("an examination that throws is a failed line without secrets, and throws nothing", async () => {
  const findings = await attempt(OPTIONS, async () => {
    throw new Error("refused canary");
  });
  expect(findings).toEqual([
    expect.objectContaining({
      name: "server",
      status: "fail",
      found: "could not be examined: refused [redacted]",
    }),
  ]);
});

test("an examination that never ends is a failed line, and is told by its signal", async () => {
  let told: AbortSignal | undefined;
  const findings = await attempt({ ...OPTIONS, limitMs: 20 }, (signal) => {
    told = signal;
    return new Promise(() => {});
  });
  expect(findings).toEqual([
    expect.objectContaining({ status: "fail", found: "could not be examined: no answer within 0.02 s" }),
  ]);
  expect(told?.aborted).toBe(true);
});
