/** Fallback on a real Redis: another model goes on where one failed for good. */
import type { ErrorCode, HandoffPart, RunId } from "@baton/core";
import { describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { call, type Script, text } from "../../../test/support/scripted-model.ts";
import { calledOf, desk, type Flow, failWith, isAfterTool, openFlow } from "./testing/flow-rig.ts";

const redis = useRedis();

const SOON = { after: 1 } as const;
const twice = { limits: { modelAttemptsMax: 2 } };

/** Models fail with their code; the others say their name. */
const failing =
  (codes: Readonly<Record<string, ErrorCode>>): Script =>
  ({ model }) => {
    const code = codes[model];
    return code === undefined ? { parts: [text(model)] } : failWith(code);
  };

const handoffsOf = async (flow: Flow, id: RunId): Promise<readonly HandoffPart[]> =>
  (await flow.producer.conversation(id)).flatMap(({ parts }) =>
    parts.filter((part) => part.type === "handoff"),
  );

describe("a model that fails for good", () => {
  test("after all of its attempts hands over to the fallback, which is recorded", async () => {
    await using flow = await openFlow(
      redis.url,
      ({ model }) =>
        model === "openai/gpt" ? failWith("provider_overloaded", SOON) : { parts: [text("saved")] },
      twice,
    );
    await flow.startWorker();
    const { runId } = await flow.producer.submit({
      input: "?",
      model: "openai/gpt",
      fallback: ["anthropic/claude"],
    });
    const result = await flow.ended(runId);
    expect(result).toMatchObject({
      status: "succeeded",
      final_output: "saved",
      models_used: ["anthropic/claude"],
    });
    expect(calledOf(flow.models)).toEqual(["openai/gpt", "openai/gpt", "anthropic/claude"]);
    expect(await handoffsOf(flow, runId)).toEqual([
      {
        type: "handoff",
        from: "openai/gpt",
        to: "anthropic/claude",
        by: "fallback",
        reason: "openai/gpt failed: provider_overloaded",
        brief: "Go on with the task from here.",
        context: "full",
      },
    ]);
    const { run } = await flow.producer.get(runId);
    expect(run).toMatchObject({ failures: 0 });
    expect(run.lastFailure).toBeUndefined();
  });

  test("with an error that no attempt can mend hands over at once", async () => {
    await using flow = await openFlow(redis.url, failing({ "openai/gpt": "provider_auth" }));
    await flow.startWorker();
    const { runId } = await flow.producer.submit({ input: "?", model: "openai/gpt", fallback: ["xai/grok"] });
    expect(await flow.ended(runId)).toMatchObject({ status: "succeeded", final_output: "xai/grok" });
    expect(calledOf(flow.models)).toEqual(["openai/gpt", "xai/grok"]);
  });

  test("is followed by the next of the list, and that by the next", async () => {
    const codes = { "openai/gpt": "provider_auth", "anthropic/claude": "provider_rejected" } as const;
    await using flow = await openFlow(redis.url, failing(codes));
    await flow.startWorker();
    const { runId } = await flow.producer.submit({
      input: "?",
      model: "openai/gpt",
      fallback: ["anthropic/claude", "xai/grok"],
    });
    expect(await flow.ended(runId)).toMatchObject({ status: "succeeded", final_output: "xai/grok" });
    expect((await handoffsOf(flow, runId)).map(({ from, to }) => [from, to])).toEqual([
      ["openai/gpt", "anthropic/claude"],
      ["anthropic/claude", "xai/grok"],
    ]);
  });

  test("fails the run with the last error when all fail, and a retry walks the list again", async () => {
    const codes: Record<string, ErrorCode> = {
      "openai/gpt": "provider_auth",
      "anthropic/claude": "provider_rejected",
      "xai/grok": "context_too_long",
    };
    await using flow = await openFlow(redis.url, failing(codes));
    await flow.startWorker();
    const { runId } = await flow.producer.submit({
      input: "?",
      model: "openai/gpt",
      fallback: ["anthropic/claude", "xai/grok"],
    });
    const result = await flow.ended(runId);
    expect(result).toMatchObject({ status: "failed", error: { code: "context_too_long" } });
    expect(result.phases.map(({ model, turns }) => [model, turns])).toEqual([
      ["openai/gpt", 0],
      ["anthropic/claude", 0],
      ["xai/grok", 0],
    ]);
    delete codes["anthropic/claude"];
    await flow.producer.retry(runId);
    expect(await flow.ended(runId)).toMatchObject({ status: "succeeded", final_output: "anthropic/claude" });
    expect(calledOf(flow.models).slice(3)).toEqual(["xai/grok", "anthropic/claude"]);
  });

  test("in the middle of its work leaves its turns to the next, which buys none of them again", async () => {
    const tools = desk({ look: { readOnly: true } }, () => "seen");
    await using flow = await openFlow(redis.url, (request) => {
      if (request.model !== "openai/gpt") return { parts: [text("done")] };
      return isAfterTool(request) ? failWith("provider_auth") : { parts: [call("look")] };
    });
    await flow.startWorker({ tools });
    const { runId } = await flow.producer.submit({
      input: "?",
      model: "openai/gpt",
      mcp_servers: ["desk"],
      fallback: ["anthropic/claude"],
      handoff: { context: "brief" },
    });
    expect(await flow.ended(runId)).toMatchObject({ status: "succeeded", tools_called: ["look"] });
    expect(tools.calls).toHaveLength(1);
    const seen = flow.models.calls
      .at(-1)
      ?.request.items.map(({ role, parts: [part] }) => `${role}:${part?.type}`);
    expect(seen).toEqual(["user:text", "assistant:tool_call", "tool:tool_result", "user:handoff"]);
  });
});

describe("a refusal", () => {
  const refusing: Script = ({ model }) =>
    model === "openai/gpt" ? { parts: [text("no")], stopReason: "refusal" } : { parts: [text("yes")] };

  test("fails the run where the spec does not say otherwise", async () => {
    await using flow = await openFlow(redis.url, refusing);
    await flow.startWorker();
    const { runId } = await flow.producer.submit({
      input: "?",
      model: "openai/gpt",
      fallback: ["anthropic/claude"],
    });
    expect(await flow.ended(runId)).toMatchObject({ status: "failed", error: { code: "refusal" } });
  });

  test("falls back with on_refusal, and the reply that was paid stays in the log", async () => {
    await using flow = await openFlow(redis.url, refusing);
    await flow.startWorker();
    const { runId } = await flow.producer.submit({
      input: "?",
      model: "openai/gpt",
      fallback: { models: ["anthropic/claude"], on_refusal: true },
    });
    const result = await flow.ended(runId);
    expect(result).toMatchObject({ status: "succeeded", final_output: "yes" });
    expect(result.phases.map(({ turns }) => turns)).toEqual([1, 1]);
    expect((await flow.producer.conversation(runId)).map(({ role }) => role)).toEqual([
      "user",
      "assistant",
      "user",
      "assistant",
    ]);
  });
});

describe("in a pipeline", () => {
  test("the step goes on with the fallback, and the next step with its own model", async () => {
    await using flow = await openFlow(redis.url, failing({ "openai/gpt": "provider_auth" }));
    await flow.startWorker();
    const { runId } = await flow.producer.submit({
      input: "?",
      phases: [
        { name: "find", model: "openai/gpt", instructions: "Find it.", fallback: ["xai/grok"] },
        { name: "write", model: "xai/grok", instructions: "Write it." },
      ],
      fallback: ["anthropic/claude"],
    });
    const result = await flow.ended(runId);
    expect(result).toMatchObject({ status: "succeeded", final_output: "xai/grok" });
    expect(flow.models.calls.map(({ model, request }) => [model, request.instructions])).toEqual([
      ["openai/gpt", "Find it."],
      ["xai/grok", "Find it."],
      ["xai/grok", "Write it."],
    ]);
    expect((await handoffsOf(flow, runId)).map(({ by }) => by)).toEqual(["fallback", "pipeline"]);
  });

  test("phases have the name of the step that they worked on, whoever stepped in", async () => {
    await using flow = await openFlow(redis.url, failing({ "openai/gpt": "provider_auth" }));
    await flow.startWorker();
    const { runId } = await flow.producer.submit({
      input: "?",
      phases: [
        { name: "find", model: "openai/gpt", fallback: ["xai/grok"] },
        { name: "write", model: "xai/grok" },
      ],
    });
    const { phases } = await flow.ended(runId);
    expect(phases.map(({ model, name }) => [model, name])).toEqual([
      ["openai/gpt", "find"],
      ["xai/grok", "find"],
      ["xai/grok", "write"],
    ]);
  });
});

describe("the bounds", () => {
  test("a fallback uses up no handoff of the run", async () => {
    await using flow = await openFlow(redis.url, ({ model }) => {
      if (model === "openai/gpt") return failWith("provider_auth");
      return model === "xai/grok"
        ? { parts: [call("transfer_to_anthropic_claude")] }
        : { parts: [text("end")] };
    });
    await flow.startWorker();
    const { runId } = await flow.producer.submit({
      input: "?",
      model: ["openai/gpt", "anthropic/claude"],
      fallback: ["xai/grok"],
      max_handoffs: 1,
    });
    expect(await flow.ended(runId)).toMatchObject({ status: "succeeded", final_output: "end" });
    expect((await handoffsOf(flow, runId)).map(({ by }) => by)).toEqual(["fallback", "model"]);
  });

  test("a bound of the run itself is no reason to fall back", async () => {
    const tools = desk({ look: { readOnly: true } }, () => "seen");
    await using flow = await openFlow(redis.url, ({ items }) => ({
      parts: [call("look", {}, `c${items.length}`)],
    }));
    await flow.startWorker({ tools });
    const { runId } = await flow.producer.submit({
      input: "?",
      model: "openai/gpt",
      mcp_servers: ["desk"],
      fallback: ["anthropic/claude"],
      max_turns: 2,
    });
    expect(await flow.ended(runId)).toMatchObject({ status: "failed", error: { code: "max_turns" } });
    expect(new Set(calledOf(flow.models))).toEqual(new Set(["openai/gpt"]));
  });
});
