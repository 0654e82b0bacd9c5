/**
 * The model's scripts are the Lua's: random walks through the model, each command sent to a real ledger too. Both
 * must answer alike, and leave the same record and the same log, whatever came before, lost writes included.
 */
import fc from "fast-check";
import type { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import {
  type ClaimId,
  ITEM_VERSION,
  type Item as LedgerItem,
  type ModelId,
  modelIdSchema,
  newRunId,
  type OperationId,
  parseRunSpec,
  type RunId,
} from "../../packages/core/src/index.ts";
import {
  type Claim,
  type ControlReply,
  createLedger,
  type Ledger,
  type Outcome as LedgerOutcome,
} from "../../packages/store/src/index.ts";
import { runKeys } from "../../packages/store/src/keys.ts";
import { useRedis } from "../support/redis.ts";
import { systemIds } from "../support/worker-rig.ts";
import { stepsFrom } from "./actions.ts";
import { type Command, type Entry, type Fence, type Item, initialState, NONE, type Run } from "./model.ts";
import type { Reply } from "./scripts.ts";
import { worldOf } from "./worlds.ts";

const redis = useRedis();

const POOLS = ["sim/a", "sim/b"].map((name) => modelIdSchema.parse(name));
const LATER_MS = 3_600_000;

/**
 * Worlds in which everything may go wrong that the scripts can tell, in which Redis goes back in time, and in which
 * little happens but pauses that are taken back, at times while a worker is about to honour them.
 */
const ANYTHING = worldOf("anything", {
  crash: 3,
  stall: 3,
  unanswered: 3,
  late: 3,
  lateClaim: 2,
  flush: 2,
  backoff: 3,
  refusal: 2,
  cancel: 2,
  pause: 3,
  retry: 3,
  orphan: 2,
  settles: false,
});
const LOSS = worldOf("lost writes", { turns: [3, 1], loss: 5, stall: 1, unanswered: 1, settles: false });
const PAUSES = worldOf("pauses", { turns: [9, 9], workers: 1, pause: 12, unanswered: 4, settles: false });

describe("on a real Redis, the Lua scripts", () => {
  const rows = [
    { world: ANYTHING, met: ANSWERS_MET },
    { world: LOSS, met: ["append diverged", "commit diverged", "append fenced", "commit fenced"] },
    { world: PAUSES, met: ["wait leads to waiting", "wait leads to queued", "pause duplicate"] },
  ];
  test.each(rows)("answer and write as the model's do: $world.name", { timeout: 60_000 }, async (row) => {
    const { world, met } = row;
    const connection = redis.connect();
    const ledger = createLedger(connection, { retentionMs: 0 });
    const sent = new Set<string>();
    const walks = fc.array(fc.nat(), { minLength: 120, maxLength: 120 });
    await fc.assert(
      fc.asyncProperty(walks, async (choices) => {
        const id = newRunId(0, systemIds);
        let state = initialState(world);
        await create(ledger, id, state.redis.run);
        let disk = await dump(connection, id);
        for (const choice of choices) {
          const steps = stepsFrom(state, world);
          const step = steps[choice % steps.length];
          if (step === undefined) return;
          const before = state;
          state = step.next;
          if (state.saved !== undefined && state.saved.redis !== before.saved?.redis)
            disk = await dump(connection, id);
          if (state.left.loss < before.left.loss) await restore(connection, id, disk);
          if (step.sent !== undefined) {
            const { command, reply } = step.sent;
            const answer = await send(ledger, id, command);
            if (answer !== undefined) expect(answer, step.label).toEqual(answerOf(command, reply));
            const what = `${command.kind} ${reply.tag}`;
            sent.add(what);
            if (command.kind === "commit" && reply.tag === "committed")
              sent.add(`${command.outcome} leads to ${reply.redis.run.status}`);
          }
          // The time of a run that waits for it comes at once, on either side.
          if (before.redis.run.early && !state.redis.run.early)
            await connection.hset(runKeys(id).run, "not_before", "");
          expect(await readBack(ledger, id), step.label).toEqual(recordOf(state.redis.run));
        }
      }),
      { numRuns: 300 },
    );
    // Walks that never came to these would prove little.
    expect([...sent].sort()).toEqual(expect.arrayContaining(met));
  });
});

const ANSWERS_MET = [
  "append appended",
  "append duplicate",
  "append fenced",
  "cancel cancelled",
  "claim ahead",
  "claim claimed",
  "claim early",
  "claim finished",
  "commit committed",
  "commit duplicate",
  "commit fenced",
  "pause paused",
  "requeue requeued",
  "resume resumed",
  "retry retried",
];

/** What a command is answered with, in the words of both. */
interface Answer {
  readonly tag: string;
  readonly epoch?: number;
  readonly log?: readonly string[];
  readonly entry?: Entry | undefined;
}

function answerOf(command: Command, { tag, redis: { run }, entry }: Reply): Answer {
  switch (command.kind) {
    case "claim":
      return tag === "claimed" ? { tag, epoch: run.epoch, log: textsOf(run.log) } : { tag };
    case "append":
      return { tag };
    default:
      return { tag, entry };
  }
}

/** Sends a command to the ledger; undefined for BullMQ's add, which is not a script of ours. */
async function send(ledger: Ledger, id: RunId, command: Command): Promise<Answer | undefined> {
  switch (command.kind) {
    case "claim": {
      const entry = { runId: id, ticket: command.ticket, pool: poolOf(command.pool) };
      const claimId = claimIdOf(command.claim);
      const options = { capabilities: new Set<string>(), unfitGraceMs: 0, takeoversMax: 1_000 };
      const reply = await ledger.claim({ entry, claimId, ...options });
      if (reply.kind !== "claimed") return { tag: reply.kind };
      return { tag: reply.kind, epoch: reply.claim.epoch, log: reply.items.map(textOf) };
    }
    case "append": {
      const append = { length: command.length, items: [itemOf(command.item)], events: [] };
      const reply = await ledger.append(claimOf(id, command), append);
      return { tag: reply.kind === "fenced" && reply.status === "diverged" ? "diverged" : reply.kind };
    }
    case "commit": {
      const commit = { length: command.length, items: command.items.map(itemOf), events: [] };
      const outcome = outcomeOf(command);
      const reply = await ledger.commit(claimOf(id, command, command), { ...commit, outcome });
      if (reply.kind !== "fenced") return { tag: reply.kind, entry: entryOf(reply.entry) };
      return { tag: reply.status === "diverged" ? "diverged" : reply.kind, entry: undefined };
    }
    case "requeue": {
      const { status, ticket, epoch } = command;
      if (status !== "queued" && status !== "running") throw new Error(`a ${status} run is not requeued`);
      const claimId = command.claim === NONE ? "" : claimIdOf(command.claim);
      const seen = { status, ticket, epoch, claimId };
      return control(await ledger.requeue(id, operationOf(command.operation), seen), "moved");
    }
    case "cancel":
      return control(await ledger.cancel(id, operationOf(command.operation)), "refused");
    case "pause":
      return control(await ledger.pause(id, operationOf(command.operation)), "refused");
    case "resume":
      return control(await ledger.resume(id, operationOf(command.operation)), "refused");
    case "retry": {
      const { epoch, item } = command;
      const retry = { op: operationOf(command.operation), epoch, length: item.seq, timeoutMs: 0 };
      return control(await ledger.retry(id, { ...retry, items: [itemOf(item)] }), "refused");
    }
    case "add":
      return undefined;
  }
}

function control(reply: ControlReply, refused: string): Answer {
  if (reply.kind === "gone") return { tag: "gone" };
  if (reply.kind === "refused") {
    return { tag: reply.status === "moved" ? "moved" : refused, entry: undefined };
  }
  return { tag: reply.did === "pausing" ? "paused" : reply.did, entry: entryOf(reply.entry) };
}

/** The record and the log, which are what the scripts decide by. */
async function dump(connection: Redis, id: RunId): Promise<Dump> {
  const { run, log } = runKeys(id);
  return { record: await connection.hgetall(run), log: await connection.lrange(log, 0, -1) };
}

interface Dump {
  readonly record: Record<string, string>;
  readonly log: readonly string[];
}

/** Takes Redis back in time. */
async function restore(connection: Redis, id: RunId, { record, log }: Dump): Promise<void> {
  const keys = runKeys(id);
  await connection
    .multi()
    .del(keys.run, keys.log)
    .hset(keys.run, record)
    .rpush(keys.log, ...log)
    .exec();
}

async function create(ledger: Ledger, id: RunId, run: Run): Promise<void> {
  const spec = parseRunSpec({ input: "go", model: POOLS });
  const items = run.log.map(itemOf);
  await ledger.create({ id, spec, items, pool: poolOf(run.pool), needs: [], delayMs: 0, timeoutMs: 0 });
}

async function readBack(ledger: Ledger, id: RunId) {
  const glance = await ledger.glance(id);
  const items = await ledger.conversation(id);
  if (glance === undefined) throw new Error(`the run ${id} is gone`);
  const { status, ticket, epoch, pool, claimId, notBefore } = glance;
  const fields = ["pausing", "phase", "ops", "committed"];
  const [pausing, phase, ops, committed] = await ledger.redis.hmget(runKeys(id).run, ...fields);
  return {
    ...{ status, ticket, epoch, pool, claimId, phase: Number(phase) },
    operations: (ops ?? "").split(" ").filter((one) => one !== ""),
    committed: committed ?? "",
    early: (notBefore ?? 0) > 0,
    pausing: pausing === "1",
    log: items.map(textOf),
  };
}

function recordOf(run: Run): Awaited<ReturnType<typeof readBack>> {
  const { status, ticket, epoch, phase, early, pausing } = run;
  const claimId = run.claim === NONE ? "" : claimIdOf(run.claim);
  const mark = run.committed;
  return {
    ...{ status, ticket, epoch, pool: poolOf(run.pool), claimId, phase },
    operations: run.operations.map(operationOf),
    committed: mark === undefined ? "" : `${mark.ticket}/${claimIdOf(mark.claim)}`,
    early,
    pausing,
    log: textsOf(run.log),
  };
}

/** An append is judged without its entry. */
function claimOf(runId: RunId, fence: Fence, entry: Entry = { pool: 0, ticket: 0 }): Claim {
  const { claim, epoch } = fence;
  return { runId, pool: poolOf(entry.pool), ticket: entry.ticket, epoch, claimId: claimIdOf(claim) };
}

function outcomeOf(command: Extract<Command, { kind: "commit" }>): LedgerOutcome {
  switch (command.outcome) {
    case "handoff":
      return { kind: "handoff", pool: poolOf(command.pool) };
    case "requeue":
      return { kind: "requeue", delayMs: LATER_MS, tries: { failures: 1, rateLimits: 0 } };
    case "wait":
      return { kind: "wait", reason: "paused" };
    case "succeeded":
      return { kind: "succeeded" };
    case "failed":
      return { kind: "failed", code: "refused", message: "the call failed for good" };
  }
}

function itemOf({ id, seq, phase }: Item): LedgerItem {
  const parts = [{ type: "text" as const, text: String(id) }];
  return { v: ITEM_VERSION, seq, phase, epoch: 0, at: 0, role: "user", parts };
}

function textOf(item: LedgerItem): string {
  const [part] = item.parts;
  return part?.type === "text" ? part.text : "";
}

function textsOf(items: readonly Item[]): string[] {
  return items.map((item) => String(item.id));
}

function entryOf(entry: { pool: ModelId; ticket: number } | undefined): Entry | undefined {
  return entry === undefined ? undefined : { pool: POOLS.indexOf(entry.pool), ticket: entry.ticket };
}

function poolOf(pool: number): ModelId {
  const model = POOLS[pool];
  if (model === undefined) throw new Error(`there is no pool ${pool}`);
  return model;
}

function claimIdOf(symbol: number): ClaimId {
  // The constructor of the brand: as long as a real one.
  return `c${String(symbol).padStart(11, "0")}` as ClaimId;
}

function operationOf(symbol: number): OperationId {
  // The constructor of the brand: as long as a real one.
  return String(symbol).padStart(7, "0") as OperationId;
}
