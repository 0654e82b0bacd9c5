/**
 * Attempts that outlive their claim inside of living processes: the fence must hold where no crash helps. What a frozen
 * process writes when it wakes up is in test/crash/worker-frozen.test.ts.
 */
import type { AdapterLookup, Item, ModelReply, RunId } from "@baton/core";
import { NO_USAGE, splitModelId } from "@baton/core";
import type { AppendReply, CommitReply, Ledger } from "@baton/store";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { call, text } from "../../../test/support/scripted-model.ts";
import { until } from "../../../test/support/until.ts";
import { type Flow, openFlow } from "./testing/flow-rig.ts";
import { claude, gpt } from "./testing/log.ts";

const redis = useRedis();

interface Call {
  readonly signal: AbortSignal;
  /** Lets the model reply, whatever its signal says. */
  reply(parts: ModelReply["parts"]): void;
}

/** Models that reply when the test says so, and do not listen to their signal. */
function deafModels() {
  const calls: Call[] = [];
  const adapters: AdapterLookup = (model) => ({
    async call(_, onDelta, signal): Promise<ModelReply> {
      const said = Promise.withResolvers<ModelReply["parts"]>();
      calls.push({ signal, reply: said.resolve });
      const parts = await said.promise;
      for (const part of parts) if (part.type === "text") onDelta({ kind: "text", text: part.text });
      return {
        parts,
        stopReason: parts.some((part) => part.type === "tool_call") ? "tool_use" : "end",
        usage: { ...NO_USAGE, inputTokens: 10, outputTokens: 5 },
        origin: { provider: splitModelId(model).provider, api: "openai-chat", model },
      };
    },
  });
  const nth = (place: number) =>
    until(() => calls[place], { what: `model call ${place + 1}`, withinMs: 15_000 });
  return { adapters, calls, nth };
}

/** What the ledger answered to a worker's writes. */
function watchWrites() {
  const replies: (AppendReply | CommitReply)[] = [];
  const wrap = (ledger: Ledger): Ledger => ({
    ...ledger,
    append: async (...args) => keep(await ledger.append(...args)),
    commit: async (...args) => keep(await ledger.commit(...args)),
  });
  const keep = <Reply extends AppendReply | CommitReply>(reply: Reply): Reply => {
    replies.push(reply);
    return reply;
  };
  return { replies, wrap };
}

const neverUsed = () => Promise.reject(new Error("these tests script their own models"));
const saidIn = (items: readonly Item[]) =>
  items.flatMap(({ role, parts: [part] }) => [`${role}:${part?.type === "text" ? part.text : part?.type}`]);

async function stateOf(flow: Flow, id: RunId) {
  const [{ run }, items] = await Promise.all([flow.producer.get(id), flow.producer.conversation(id)]);
  return { run, items };
}

test("of two attempts of one job in the same process the old one is aborted and fenced, the live one keeps its lock", async () => {
  const models = deafModels();
  const { replies, wrap } = watchWrites();
  await using flow = await openFlow(redis.url, neverUsed);
  await flow.startWorker({ adapters: models.adapters, wrap });
  const { runId } = await flow.producer.submit({ input: "?", model: "openai/gpt" });
  const old = await models.nth(0);
  // The lock is lost, as when the process could not renew it in time: BullMQ gives the job out again, to this process.
  const client = redis.connect();
  const locks = await client.keys(`*${runId}-1:lock`);
  expect(locks).toHaveLength(1);
  await client.del(locks);
  const live = await models.nth(1);
  expect((await flow.producer.get(runId)).run).toMatchObject({ takeovers: 1, ticket: 1 });
  await until(() => old.signal.aborted, { what: "the abort of the old attempt" });
  expect(live.signal.aborted).toBe(false);

  old.reply([text("from the old attempt")]);
  await until(() => replies.length === 1, { what: "the old attempt's commit" });
  expect(replies).toEqual([{ kind: "fenced", status: "running" }]);
  // The old attempt has ended. Were the live one's lock not renewed, a third attempt would come after 4 s.
  const lock = locks[0] ?? "";
  const token = await client.get(lock);
  const endsAt = performance.now() + 5_500;
  await until(
    async () => {
      expect(await client.get(lock)).toBe(token);
      return performance.now() > endsAt;
    },
    { what: "a lock's time to pass", withinMs: 10_000 },
  );
  expect(await client.get(lock)).toBe(token);
  expect(models.calls).toHaveLength(2);
  expect(live.signal.aborted).toBe(false);

  live.reply([text("from the live attempt")]);
  expect(await flow.ended(runId)).toMatchObject({
    status: "succeeded",
    final_output: "from the live attempt",
  });
  const { run, items } = await stateOf(flow, runId);
  expect(run).toMatchObject({ takeovers: 1, turns: 1, usage: { inputTokens: 10 } });
  expect(saidIn(items)).toEqual(["user:?", "assistant:from the live attempt"]);
  expect(replies.map(({ kind }) => kind)).toEqual(["fenced", "committed"]);
});

test.each([
  ["that ends the run", [text("too late")]],
  ["with calls of tools", [call("look")]],
  ["with a handoff", [call("transfer_to_anthropic_claude")]],
])("a model's late reply after a cancel, %s, is not written", async (_, parts) => {
  const models = deafModels();
  const { replies, wrap } = watchWrites();
  await using flow = await openFlow(redis.url, neverUsed);
  const pools = [gpt, claude];
  const worker = await flow.startWorker({ adapters: models.adapters, wrap, patterns: pools });
  const { runId } = await flow.producer.submit({ input: "?", model: ["openai/gpt", "anthropic/claude"] });
  const late = await models.nth(0);
  await flow.producer.cancel(runId);
  const before = await stateOf(flow, runId);
  expect(before.run).toMatchObject({ status: "cancelled", turns: 0 });
  late.reply(parts);
  await until(() => worker.active === 0, { what: "the end of the attempt" });
  expect(replies).toEqual([{ kind: "fenced", status: "cancelled" }]);
  expect(await stateOf(flow, runId)).toEqual(before);
  // A job that went out beside the refused commit is judged, and starts nothing.
  for (const pool of pools) {
    await until(async () => Object.values(await flow.rig.queues.countsOf(pool)).every((n) => n === 0), {
      what: `an empty queue of ${pool}`,
    });
  }
  expect(await stateOf(flow, runId)).toEqual(before);
  expect(models.calls).toHaveLength(1);
});

test("a commit that arrives after a cancel and a retry is refused, and the retried run is untouched", async () => {
  const models = deafModels();
  const gate = Promise.withResolvers<void>();
  const commits: CommitReply[] = [];
  let sent = 0;
  await using flow = await openFlow(redis.url, neverUsed);
  // The first commit is held on its way to Redis.
  const wrap = (ledger: Ledger): Ledger => ({
    ...ledger,
    commit: async (...args) => {
      sent += 1;
      if (sent === 1) await gate.promise;
      const reply = await ledger.commit(...args);
      commits.push(reply);
      return reply;
    },
  });
  await flow.startWorker({ adapters: models.adapters, wrap });
  const { runId } = await flow.producer.submit({ input: "?", model: ["openai/gpt", "anthropic/claude"] });
  const old = await models.nth(0);
  old.reply([call("transfer_to_anthropic_claude", { reason: "old", brief: "old" })]);
  await until(() => sent === 1, { what: "the old commit" });
  await flow.producer.cancel(runId);
  await flow.producer.retry(runId);
  const live = await models.nth(1);
  const before = await stateOf(flow, runId);
  expect(before.run).toMatchObject({ status: "running", model: "openai/gpt", turns: 0 });

  gate.resolve();
  await until(() => commits.length === 1, { what: "the reply to the old commit" });
  expect(commits).toEqual([{ kind: "fenced", status: "running" }]);
  expect(await stateOf(flow, runId)).toEqual(before);
  expect(live.signal.aborted).toBe(false);
  live.reply([text("the retried answer")]);
  expect(await flow.ended(runId)).toMatchObject({ status: "succeeded", final_output: "the retried answer" });
  const { run, items } = await stateOf(flow, runId);
  expect(run).toMatchObject({ turns: 1, handoffs: 0, takeovers: 0 });
  expect(saidIn(items)).toEqual(["user:?", "control:record", "assistant:the retried answer"]);
  expect(models.calls).toHaveLength(2);
});
