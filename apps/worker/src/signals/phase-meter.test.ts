import { BatonError, type ModelId, NO_USAGE, newRunId } from "@baton/core";
import type { Claimed } from "@baton/store";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { parseExposition } from "../../../../test/support/prometheus-text.ts";
import { systemIds } from "../../../../test/support/worker-rig.ts";
import { joinSignals } from "./join-signals.ts";
import { defineMeters } from "./meters.ts";
import { meterSignals } from "./phase-meter.ts";

function openMeters() {
  const registry = new Registry();
  const clock = { now: 0 };
  const signals = meterSignals(defineMeters(registry), () => clock.now);
  return { clock, signals, read: async () => parseExposition(await registry.metrics()) };
}

/** As much of a claim as the meters look at. */
function claimOf(pool: string): Claimed {
  return { claim: { runId: newRunId(0, systemIds), pool: pool as ModelId } } as Claimed;
}

const reply = {
  parts: [],
  stopReason: "end",
  usage: { ...NO_USAGE, inputTokens: 100, cachedInputTokens: 60, outputTokens: 7 },
  origin: { provider: "openai", api: "openai-chat", model: "openai/gpt" as ModelId },
} as const;

test("a phase is counted with its calls, what they took and cost, and how all of it ended", async () => {
  const { clock, signals, read } = openMeters();
  const pool = "openai/gpt";
  const phase = signals.phaseBegan(claimOf(pool));
  const first = phase.callBegan();
  clock.now = 300;
  first.delta();
  clock.now = 900;
  first.delta();
  first.replied(reply, 0.25);
  phase.callBegan().replied(reply, null);
  phase.callBegan().failed(new BatonError("provider_overloaded", "busy"));
  phase.callBegan().lost();
  phase.retried("provider_overloaded");
  phase.toolAnswered("unknown");
  phase.fenced();
  clock.now = 2_000;
  phase.ended("handed back", { kind: "failed", code: "deadline", message: "late" });
  phase[Symbol.dispose]();

  const seen = await read();
  expect(seen.value("baton_time_to_first_token_seconds_sum", { pool })).toBe(0.3);
  expect(seen.value("baton_time_to_first_token_seconds_count", { pool })).toBe(1);
  expect(seen.value("baton_model_call_duration_seconds_count", { pool, outcome: "ok" })).toBe(2);
  expect(seen.value("baton_model_call_duration_seconds_sum", { pool, outcome: "ok" })).toBe(0.9);
  expect(seen.value("baton_model_call_duration_seconds_count", { pool, outcome: "aborted" })).toBe(1);
  expect(seen.value("baton_model_call_failures_total", { pool, code: "provider_overloaded" })).toBe(1);
  expect(seen.value("baton_retries_total", { pool, code: "provider_overloaded" })).toBe(1);
  expect(seen.value("baton_tokens_total", { pool, kind: "input" })).toBe(200);
  expect(seen.value("baton_tokens_total", { pool, kind: "cached_input" })).toBe(120);
  expect(seen.value("baton_cost_usd_total", { pool })).toBe(0.25);
  expect(seen.value("baton_unpriced_replies_total", { pool })).toBe(1);
  expect(seen.value("baton_tool_calls_total", { outcome: "unknown" })).toBe(1);
  expect(seen.value("baton_fenced_writes_total", { pool })).toBe(1);
  // What was ended is not ended again by its disposal.
  expect(seen.samples.filter(({ name }) => name === "baton_phase_duration_seconds_count")).toEqual([
    { name: "baton_phase_duration_seconds_count", labels: { pool, outcome: "handed_back" }, value: 1 },
  ]);
  expect(seen.value("baton_phase_duration_seconds_sum", { pool, outcome: "handed_back" })).toBe(2);
  expect(seen.value("baton_runs_ended_total", { status: "failed", code: "deadline" })).toBe(1);
});

test("a phase that nobody ended broke", async () => {
  const { signals, read } = openMeters();
  signals.phaseBegan(claimOf("openai/gpt"))[Symbol.dispose]();
  const labels = { pool: "openai/gpt", outcome: "broke" };
  expect((await read()).value("baton_phase_duration_seconds_count", labels)).toBe(1);
});

test("pools without end have a bounded number of labels, and none is left uncounted", async () => {
  const { signals, read } = openMeters();
  for (let model = 0; model < 250; model += 1) signals.phaseBegan(claimOf(`openai/${model}`)).fenced();
  const counts = (await read()).samples.filter(({ name }) => name === "baton_fenced_writes_total");
  expect(counts).toHaveLength(201);
  expect(counts.find(({ labels }) => labels.pool === "other")?.value).toBe(50);
});

test("two listeners both hear all of it", async () => {
  const [one, other] = [openMeters(), openMeters()];
  const joined = joinSignals(one.signals, other.signals);
  joined.runEnded({
    runId: newRunId(0, systemIds),
    pool: undefined,
    status: "failed",
    code: "poison",
  });
  const phase = joined.phaseBegan(claimOf("openai/gpt"));
  const call = phase.callBegan();
  call.delta();
  call.replied(reply, 1);
  phase.callBegan().failed(new BatonError("refusal", "no"));
  phase.callBegan().lost();
  const tool = {
    type: "tool_call",
    callId: "c",
    name: "look",
    arguments: { kind: "object", value: {} },
  } as const;
  phase.toolBegan(tool).ended(true);
  phase.toolBegan(tool).lost();
  phase.toolAnswered("refused");
  phase.retried("refusal");
  phase.fenced();
  phase.ended("succeed", { kind: "succeeded" });
  phase[Symbol.dispose]();
  const [told, alike] = [await one.read(), await other.read()];
  expect(alike.text).toBe(told.text);
  // Each kind of thing was told.
  const silent = [...told.types.keys()].filter(
    (name) => !told.samples.some((one) => one.name.startsWith(name)),
  );
  expect(silent).toEqual(["baton_unpriced_replies_total"]);
});
