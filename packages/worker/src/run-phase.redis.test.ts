/** Whole phases on a real Redis, where the bounds of a run are what keeps it from going round. */
import { parseConfig, type RunId, type ToolHost } from "@baton/core";
import type { Ledger } from "@baton/store";
import { ReplyError } from "ioredis";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { call, type Script, scriptedModels, text } from "../../../test/support/scripted-model.ts";
import { openRig, type Rig } from "../../../test/support/worker-rig.ts";

const redis = useRedis();

const endOf = (rig: Rig, id: RunId) => rig.producer.result(id, AbortSignal.timeout(10_000));

async function openScripted(
  script: Script,
  options: { config?: Parameters<typeof openRig>[1]; tools?: ToolHost } = {},
) {
  const rig = await openRig(redis.url, options.config);
  const models = scriptedModels(script);
  const { tools } = options;
  const capabilities = new Set(["policy:turns", "server:bank"]);
  const patterns = ["openai/*", "anthropic/*"];
  await rig.startWorker({
    adapters: models.adapters,
    patterns,
    capabilities,
    ...(tools === undefined ? {} : { tools }),
  });
  return { rig, models, [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose]() };
}

test("a policy that sends the run to and fro is stopped by max_handoffs", async () => {
  const rules = [
    { when: { model: "openai/gpt" }, do: { model: "anthropic/claude" } },
    { when: { model: "anthropic/claude" }, do: { model: "openai/gpt" } },
  ];
  // Parsed here, so that the rules are the schema's.
  const { policies } = parseConfig({ policies: { turns: rules } }, "test");
  await using scripted = await openScripted(() => ({ parts: [text("never")] }), { config: { policies } });
  const { rig, models } = scripted;
  const { runId } = await rig.producer.submit({
    input: "?",
    model: ["openai/gpt", "anthropic/claude"],
    policy: "turns",
    max_handoffs: 4,
  });
  const result = await endOf(rig, runId);
  expect(result).toMatchObject({ status: "failed", error: { code: "max_handoffs" } });
  expect(result.phases).toHaveLength(5);
  expect(models.calls).toHaveLength(0);
});

test("a tool whose name looks like a handoff is called all the same", async () => {
  const called: string[] = [];
  const tools: ToolHost = {
    list: async () => ({
      tools: [
        {
          name: "transfer_to_savings",
          description: "moves money",
          inputSchema: { type: "object" },
          readOnly: false,
          idempotent: false,
          approval: false,
          origin: { kind: "mcp", server: "bank", tool: "transfer_to_savings" },
        },
      ],
      problems: [],
    }),
    call: async ({ name }) => {
      called.push(name);
      return { isError: false, content: [{ type: "text", text: "moved" }] };
    },
    close: async () => undefined,
  };
  await using scripted = await openScripted(
    ({ items }) =>
      items.at(-1)?.role === "tool" ? { parts: [text("done")] } : { parts: [call("transfer_to_savings")] },
    { tools },
  );
  const { rig } = scripted;
  const { runId } = await rig.producer.submit({
    input: "?",
    model: ["openai/gpt", "anthropic/claude"],
    mcp_servers: ["bank"],
  });
  expect(await endOf(rig, runId)).toMatchObject({ status: "succeeded", final_output: "done" });
  expect(called).toEqual(["transfer_to_savings"]);
});

test("a retry of a run that a model refused asks it again", async () => {
  let asked = 0;
  await using scripted = await openScripted(() => {
    asked += 1;
    return asked === 1 ? { parts: [text("no")], stopReason: "refusal" } : { parts: [text("very well")] };
  });
  const { rig } = scripted;
  const { runId } = await rig.producer.submit({ input: "?", model: "openai/gpt" });
  expect(await endOf(rig, runId)).toMatchObject({ status: "failed", error: { code: "refusal" } });
  await rig.producer.retry(runId);
  expect(await endOf(rig, runId)).toMatchObject({ status: "succeeded", final_output: "very well" });
});

test("a retry of a run that took all its turns lets it take as many again", async () => {
  let turn = 0;
  await using scripted = await openScripted(() => {
    turn += 1;
    return turn < 4 ? { parts: [call("again", {}, `c${turn}`)] } : { parts: [text("at last")] };
  });
  const { rig } = scripted;
  const { runId } = await rig.producer.submit({ input: "?", model: "openai/gpt", max_turns: 2 });
  expect(await endOf(rig, runId)).toMatchObject({ status: "failed", error: { code: "max_turns" } });
  await rig.producer.retry(runId);
  expect(await endOf(rig, runId)).toMatchObject({ status: "succeeded", final_output: "at last" });
});

test("a Redis that refuses a write fails no run: it is queued again and goes on", async () => {
  await using rig = await openRig(redis.url);
  const models = scriptedModels(() => ({ parts: [text("done")] }));
  let refusals = 0;
  // As a replica that was promoted, or a full disk: the command is answered with an error, once.
  const wrap = (ledger: Ledger): Ledger => ({
    ...ledger,
    commit: async (...args) => {
      refusals += 1;
      if (refusals === 1) throw new ReplyError("READONLY You can't write against a read only replica.");
      return ledger.commit(...args);
    },
  });
  await rig.startWorker({ adapters: models.adapters, patterns: ["openai/*"], wrap });
  const { runId } = await rig.producer.submit({ input: "?", model: "openai/gpt" });
  const result = await rig.producer.result(runId, AbortSignal.timeout(15_000));
  expect(result).toMatchObject({ status: "succeeded", final_output: "done" });
  expect(refusals).toBe(2);
  // The reply that was refused was not written: it is the one that may be bought again.
  expect(models.calls).toHaveLength(2);
});
