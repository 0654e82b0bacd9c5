import { expect, test } from "vitest";
import { createRequestRate } from "./request-rate.ts";

const SHARED = { isTaken: true, left: 99, nextMs: 0, fullMs: 1 };
const never = () => new Promise<never>(() => undefined);

function open(take: () => Promise<typeof SHARED>, status: "ready" | "reconnecting" = "ready") {
  const errors: unknown[] = [];
  const rate = createRequestRate({
    keys: { take },
    connection: { status },
    now: () => 0,
    onError: (e) => errors.push(e),
  });
  return { rate, errors };
}

test("all processes count together while Redis answers", async () => {
  expect(await open(async () => SHARED).rate.take("k", 1)).toEqual(SHARED);
});

test("while Redis is away, slow or refuses, each process counts for itself, and nothing fails", async () => {
  const refused = open(() => Promise.reject(new Error("LOADING")));
  for (const { rate } of [open(never, "reconnecting"), open(never), refused]) {
    expect(await rate.take("k", 1)).toMatchObject({ isTaken: true, left: 0 });
    expect(await rate.take("k", 1)).toMatchObject({ isTaken: false });
  }
  expect(refused.errors).toHaveLength(2);
});
