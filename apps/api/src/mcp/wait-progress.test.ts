import { newRunId, type RunEvent } from "@baton/core";
import { expect, test } from "vitest";
import { until } from "../../../../test/support/until.ts";
import { systemIds } from "../../../../test/support/worker-rig.ts";
import { tellProgress } from "./wait-progress.ts";

const id = newRunId(0, systemIds);
const at = { epoch: 1, phase: 0 };

function notice(message: string): RunEvent {
  return { type: "notice", ...at, code: "test", message };
}

/** Events that are there at once; then it goes on until the signal. */
function watching(events: readonly RunEvent[], then: () => void = () => undefined) {
  return {
    async *watch(_id: unknown, _options: unknown, signal: AbortSignal) {
      for (const event of events) yield { id: "1-0", event };
      then();
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    },
  };
}

test("a thousand events at once are one short message, of the last of them", async () => {
  const told: string[] = [];
  const enough = new AbortController();
  const many = Array.from({ length: 1_000 }, (_, place) => notice(`${place} ${"x".repeat(5_000)}`));
  const telling = tellProgress(
    watching([...many, { type: "text", ...at, text: "not told" }]),
    id,
    async (message) => void told.push(message),
    enough.signal,
  );
  await until(() => told.length > 0, { what: "a message" });
  enough.abort();
  await telling;
  expect(told).toHaveLength(1);
  expect(told[0]?.length).toBeLessThan(3_000);
  expect(told[0]).toContain("999 xx");
  expect(told[0]).not.toContain("not told");
});

test("a watch that fails ends the telling with its error", async () => {
  const broken = watching([], () => {
    throw new Error("the stream broke");
  });
  const never = new AbortController().signal;
  await expect(tellProgress(broken, id, async () => undefined, never)).rejects.toThrow("the stream broke");
});

test("a caller that cannot be told ends the telling, and the watch with it", async () => {
  const gone = async (): Promise<void> => {
    throw new Error("not connected");
  };
  const never = new AbortController().signal;
  await expect(tellProgress(watching([notice("one")]), id, gone, never)).rejects.toThrow("not connected");
});
