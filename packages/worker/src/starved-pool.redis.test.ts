/** One run whose own requests are always refused with 429 must not keep the others of its pool from working. */
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { text } from "../../../test/support/scripted-model.ts";
import { until } from "../../../test/support/until.ts";
import { failWith, openFlow } from "./testing/flow-rig.ts";

const redis = useRedis();

const TURNS = 4;
const CALL_MS = 400;
const HOLD_MS = 1_500;

test("a run that is refused each time slows the others a little, not to one turn for each hold", async () => {
  let turns = 0;
  await using flow = await openFlow(redis.url, async ({ items }) => {
    const [part] = items[0]?.parts ?? [];
    if (part?.type === "text" && part.text === "too large") {
      return failWith(
        "provider_rate_limited",
        { after: HOLD_MS },
        "429: exceeds your input tokens per minute",
      );
    }
    turns += 1;
    const endsAt = performance.now() + CALL_MS;
    await until(() => performance.now() > endsAt, { what: "the end of a slow call" });
    return { parts: [text("…")], stopReason: turns < TURNS ? ("pause_turn" as const) : ("end" as const) };
  });
  await flow.startWorker();
  await flow.producer.submit({ input: "too large", model: "openai/gpt" });
  const startedAt = performance.now();
  const { runId } = await flow.producer.submit({ input: "small", model: "openai/gpt" });
  await flow.ended(runId);
  // Two holds at the most, not one for each turn.
  expect(Math.round(performance.now() - startedAt)).toBeLessThan(TURNS * (CALL_MS + HOLD_MS));
}, 30_000);
