/**
 * SIGKILL of a worker at every step of the flow. Two workers serve the pools; the one that comes to the step that
 * the run names kills itself there, the other goes on. In each run A calls tools, hands over to B, and B ends it.
 *
 * A log with one tool: 0 input, 1 reply with the call, 2 result, 3 reply with the transfer, 4 its result, 5 handoff,
 * 6 last reply. So a reply that is bought once is bought for place 1, 3 or 6.
 */
import { join } from "node:path";
import { runIdSchema } from "@baton/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startScript } from "../support/processes.ts";
import { until } from "../support/until.ts";
import { type CrashRig, openCrashRig, specOf, violations } from "./crash-rig.ts";
import type { ActOf } from "./journal.ts";
import type { Orders, Step } from "./work.ts";

const GOES_ON_MS_MAX = 10_000;

let rig: CrashRig;

beforeAll(async () => {
  rig = await openCrashRig();
  await Promise.all([rig.startWorker(), rig.startWorker()]);
});
afterAll(() => rig[Symbol.asyncDispose]());

interface Case {
  readonly when: string;
  readonly step: Step;
  readonly tools?: Orders["tools"];
  /** Places in the log that replies were bought for, in order. */
  readonly bought: readonly number[];
  readonly ran: readonly string[];
  /** The last one; each enqueue raises it. */
  readonly ticket?: number;
}

const CASES: readonly Case[] = [
  { when: "after the claim", step: "claimed", bought: [1, 3, 6], ran: ["look_1"] },
  { when: "in a model call", step: "calling", bought: [1, 1, 3, 6], ran: ["look_1"] },
  { when: "between a reply and its write", step: "replied", bought: [1, 1, 3, 6], ran: ["look_1"] },
  { when: "between the write of a reply and its tools", step: "written", bought: [1, 3, 6], ran: ["look_1"] },
  { when: "in a tool that only reads", step: "in_tool", bought: [1, 3, 6], ran: ["look_1", "look_1"] },
  {
    when: "after one of two results was written",
    step: "one_result",
    tools: ["look", "peek"],
    bought: [1, 4, 7],
    ran: ["look_1", "peek_1", "peek_1"],
  },
  {
    when: "between the reply that ends a phase and its commit",
    step: "deciding",
    bought: [1, 3, 3, 6],
    ran: ["look_1"],
  },
  {
    when: "between the commit of a handoff and its job",
    step: "committed",
    bought: [1, 3, 6],
    ran: ["look_1"],
    // The reconciler gave the run the entry that it lacked.
    ticket: 3,
  },
  {
    when: "between the job of a handoff and the end of the one before",
    step: "enqueued",
    bought: [1, 3, 6],
    ran: ["look_1"],
  },
];

test.each(CASES)("a worker killed $when loses no run and buys no written reply again", async (one) => {
  const { tools = ["look"], ticket = 2 } = one;
  const { id, mark } = await rig.submit({ tools, crash: { step: one.step, signal: "SIGKILL" } });
  const crash = await lose(mark);
  const { run, items } = await rig.ended(id);
  expect(violations(rig.journal, mark, run, items)).toEqual([]);
  expect(run.ticket).toBe(ticket);
  expect(run.phases.map((phase) => phase.status)).toEqual(["succeeded", "succeeded"]);
  expect(bought(mark)).toEqual(one.bought);
  expect(ran(mark)).toEqual(one.ran);
  expectOthersWentOn(mark, crash);
});

test("a tool with effects is not called again when its worker is killed: the outcome is told as unknown", async () => {
  const { id, mark } = await rig.submit({ tools: ["pay"], crash: { step: "in_tool", signal: "SIGKILL" } });
  const crash = await lose(mark);
  const { run, items } = await rig.ended(id);
  expect(violations(rig.journal, mark, run, items)).toEqual([]);
  expect(ran(mark)).toEqual(["pay_1"]);
  // The marker of the call stands at place 2.
  expect(bought(mark)).toEqual([1, 4, 7]);
  const content = [{ text: expect.stringMatching(/^Outcome unknown/) }];
  expect(items[3]?.parts).toMatchObject([{ type: "tool_result", callId: "pay_1", isError: true, content }]);
  expectOthersWentOn(mark, crash);
});

test("a run whose worker is killed right after its last commit stays as it ended", async () => {
  const { id, mark } = await rig.submit({ crash: { step: "ended", signal: "SIGKILL" } });
  await lose(mark);
  const before = await rig.ended(id);
  expect(violations(rig.journal, mark, before.run, before.items)).toEqual([]);
  const entry = { runId: id, ticket: before.run.ticket, pool: before.run.model };
  await until(async () => (await rig.queues.stateOf(entry)) === "unknown", { what: "the end of the job" });
  expect(await rig.ended(id)).toEqual(before);
  expect(rig.journal.of("claimed", mark).map((act) => act.ticket)).toEqual([1, 2]);
});

test("a run whose producer is killed between its creation and its job goes on", async () => {
  const { id, mark, killedAt } = await killProducer("left alone");
  const { run, items } = await rig.ended(id);
  expect(violations(rig.journal, mark, run, items)).toEqual([]);
  // The reconciler made the entry that the producer did not.
  expect(run.ticket).toBe(3);
  expect(bought(mark)).toEqual([1, 4]);
  expect((rig.journal.of("claimed", mark)[0]?.at ?? Number.NaN) - killedAt).toBeLessThan(GOES_ON_MS_MAX);
});

test("a submission that is sent again after its producer was killed finds its run, and there is one", async () => {
  const { id, mark, spec } = await killProducer("sent again");
  const again = await rig.producer.submit(spec, { idempotencyKey: "sent again" });
  expect(again).toEqual({ runId: id, created: false });
  const { run, items } = await rig.ended(id);
  expect(violations(rig.journal, mark, run, items)).toEqual([]);
  expect(bought(mark)).toEqual([1, 4]);
});

/** Waits for the crash of the run's worker, and starts another one in its place. */
async function lose(mark: string): Promise<ActOf<"crashed">> {
  const crash = await rig.crash(mark);
  expect(await rig.worker(crash.pid).end()).toMatchObject({ signal: "SIGKILL" });
  await rig.startWorker();
  return crash;
}

async function killProducer(key: string) {
  const mark = key.replace(" ", "_");
  const spec = specOf({ mark });
  const file = join(import.meta.dirname, "crash-producer.ts");
  const args = ["--url", rig.redis.url, "--key", key, "--spec", JSON.stringify(spec)];
  await using producer = await startScript(file, { args });
  const [, id] = await producer.line(/^created (\S+)$/);
  expect(await producer.end()).toMatchObject({ signal: "SIGKILL" });
  return { id: runIdSchema.parse(id), mark, spec, killedAt: Date.now() };
}

function bought(mark: string): readonly number[] {
  return rig.journal.of("bought", mark).map((act) => act.seq);
}

function ran(mark: string): readonly string[] {
  return rig.journal.of("ran", mark).map((act) => act.callId);
}

/** What was handed on before the crash may have been claimed before it. */
function expectOthersWentOn(mark: string, crash: ActOf<"crashed">): void {
  const last = rig.journal.of("claimed", mark).findLast((act) => act.pid !== crash.pid);
  expect((last?.at ?? Number.NaN) - crash.at).toBeLessThan(GOES_ON_MS_MAX);
}
