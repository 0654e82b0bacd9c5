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
  isLive,
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
import { admissionKeys, runKeys, shardKeys } from "../../packages/store/src/keys.ts";
import { defineScripts, type RunScript } from "../../packages/store/src/scripts.ts";
import { useRedis } from "../support/redis.ts";
import { systemIds } from "../support/worker-rig.ts";
import { stepsFrom, TIME_COMES } from "./actions.ts";
import {
  type Command,
  type Entry,
  type Fence,
  type Item,
  initialState,
  NONE,
  type Run,
  type State,
} from "./model.ts";
import type { Reply } from "./scripts.ts";
import type { Step } from "./step.ts";
import { worldOf } from "./worlds.ts";

const redis = useRedis();

const POOLS = ["sim/a", "sim/b"].map((name) => modelIdSchema.parse(name));
const LATER_MS = 3_600_000;
/** A time that has come. */
const PAST_MS = 1;
const BATCH = "b";

/**
 * Worlds in which everything may go wrong that the scripts can tell, in which Redis goes back in time, and in which
 * little happens but pauses that are taken back, at times while a worker is about to honour them; and the same of a run
 * that waits for its admission first.
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
const ADMISSION = worldOf("admission", {
  ...{ feeders: 2, startsLater: true, turns: [2], crash: 3, unanswered: 3, late: 3 },
  ...{ cancel: 2, pause: 3, retry: 4, orphan: 3, settles: false },
});
const ADMISSION_LOST = worldOf("an admission whose writes are lost", {
  ...{ feeders: 1, turns: [1], loss: 5, crash: 1, pause: 2, cancel: 1, retry: 2, settles: false },
});
const PAUSES = worldOf("pauses", { turns: [9, 9], workers: 1, pause: 12, unanswered: 4, settles: false });

describe("on a real Redis, the Lua scripts", () => {
  const rows = [
    { world: ANYTHING, met: ANSWERS_MET },
    { world: LOSS, met: ["append diverged", "commit diverged", "append fenced", "commit fenced"] },
    { world: ADMISSION, met: ADMISSION_MET },
    { world: ADMISSION_LOST, met: ["feed fed", "claim ahead", "claim finished", "resume resumed"] },
    { world: PAUSES, met: ["wait leads to waiting", "wait leads to queued", "pause duplicate"] },
  ];
  test.each(rows)("answer and write as the model's do: $world.name", { timeout: 60_000 }, async (row) => {
    const { world, met } = row;
    const connection = redis.connect();
    const ledger = createLedger(connection, { retentionMs: 0 });
    const run = defineScripts(connection);
    const sent = new Set<string>();
    const walks = fc.array(fc.nat(), { minLength: 120, maxLength: 120 });
    await fc.assert(
      fc.asyncProperty(walks, async (choices) => {
        await connection.flushall();
        const id = newRunId(0, systemIds);
        let state = initialState(world);
        await create(ledger, id, state.redis.run);
        let disk = await dump(connection);
        for (const choice of choices) {
          const steps = stepsFrom(state, world);
          const step = steps[choice % steps.length];
          if (step === undefined) return;
          const before = state;
          state = step.next;
          if (state.saved !== undefined && state.saved.redis !== before.saved?.redis)
            disk = await dump(connection);
          if (state.left.loss < before.left.loss) await restore(connection, disk);
          if (step.sent !== undefined) {
            const { command, reply } = step.sent;
            const answer = await send({ ledger, run }, id, command);
            if (answer !== undefined) expect(answer, step.label).toEqual(answerOf(command, reply));
            const what = `${command.kind} ${reply.tag}`;
            sent.add(what);
            if (command.kind === "commit" && reply.tag === "committed")
              sent.add(`${command.outcome} leads to ${reply.redis.run.status}`);
          } else await actOutside(connection, id, before, step);
          expect(await readBack(ledger, id), step.label).toEqual(recordOf(state.redis.run));
        }
      }),
      { numRuns: 300 },
    );
    // Walks that never came to these would prove little.
    expect([...sent].sort()).toEqual(expect.arrayContaining(met));
  });
});

/** What no script of ours does: a time comes, a place in the admission vanishes. */
async function actOutside(connection: Redis, id: RunId, before: State, { next, label }: Step): Promise<void> {
  const { later, admitPrefix } = admissionKeys(0);
  const { run } = before.redis;
  if (label.startsWith(TIME_COMES)) {
    // A time that has come stays in the record.
    await connection.hset(runKeys(id).run, "not_before", PAST_MS);
    await connection.zadd(later, "XX", PAST_MS, id);
  } else if (next.left.orphan < before.left.orphan && run.place && !next.redis.run.place) {
    await connection.zrem(later, id);
    await connection.zrem(`${admitPrefix}${poolOf(run.pool)}:${BATCH}`, id);
  }
}

const ADMISSION_MET = [
  ...["feed fed", "feed nothing", "audit replaced", "claim claimed", "requeue requeued"],
  ...["cancel cancelled", "pause paused", "resume resumed", "retry retried", "retry duplicate"],
];
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
async function send(
  { ledger, run }: { readonly ledger: Ledger; readonly run: RunScript },
  id: RunId,
  command: Command,
): Promise<Answer | undefined> {
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
    case "feed": {
      const reply = await run("feed", [admissionKeys(0).admission], [poolOf(0), "100", "0", "10", ""]);
      const isFed = reply.includes(id);
      return { tag: isFed ? "fed" : "nothing", entry: isFed ? { pool: 0, ticket: 1 } : undefined };
    }
    case "audit": {
      const reply = await run("audit", [runKeys(id).run], ["repair", "", ""]);
      if (reply.length > 0) expect(reply).toEqual([[0, "admission+"]]);
      return { tag: reply.length > 0 ? "replaced" : "nothing", entry: undefined };
    }
  }
}

function control(reply: ControlReply, refused: string): Answer {
  if (reply.kind === "gone") return { tag: "gone" };
  if (reply.kind === "refused") {
    return { tag: reply.status === "moved" ? "moved" : refused, entry: undefined };
  }
  return { tag: reply.did === "pausing" ? "paused" : reply.did, entry: entryOf(reply.entry) };
}

/** All that Redis holds. */
async function dump(connection: Redis): Promise<Dump> {
  const keys = await connection.keys("*");
  const values = await Promise.all(keys.map((key) => connection.dumpBuffer(key)));
  return keys.map((key, place) => ({ key, value: values[place] ?? Buffer.alloc(0) }));
}

type Dump = readonly { readonly key: string; readonly value: Buffer }[];

/** Takes Redis back in time. */
async function restore(connection: Redis, disk: Dump): Promise<void> {
  await connection.flushall();
  for (const { key, value } of disk) await connection.restore(key, 0, value);
}

async function create(ledger: Ledger, id: RunId, run: Run): Promise<void> {
  const spec = parseRunSpec({ input: "go", model: POOLS });
  const items = run.log.map(itemOf);
  const delayMs = run.early ? LATER_MS : 0;
  const admission = run.place ? { batch: { id: BATCH, customId: "1" }, admit: true } : {};
  await ledger.create({
    id,
    spec,
    items,
    pool: poolOf(run.pool),
    needs: [],
    delayMs,
    timeoutMs: 0,
    ...admission,
  });
}

async function readBack(ledger: Ledger, id: RunId) {
  const glance = await ledger.glance(id);
  const items = await ledger.conversation(id);
  if (glance === undefined) throw new Error(`the run ${id} is gone`);
  const { status, ticket, epoch, pool, claimId, notBefore } = glance;
  const fields = ["pausing", "phase", "ops", "committed"];
  const [pausing, phase, ops, committed] = await ledger.redis.hmget(runKeys(id).run, ...fields);
  const { later, admitPrefix } = admissionKeys(0);
  const places = [shardKeys(0).live, later, `${admitPrefix}${pool}:${BATCH}`];
  const [live, ...waiting] = await Promise.all(places.map((key) => ledger.redis.zscore(key, id)));
  return {
    ...{ status, ticket, epoch, pool, claimId, phase: Number(phase) },
    operations: (ops ?? "").split(" ").filter((one) => one !== ""),
    committed: committed ?? "",
    early: (notBefore ?? 0) > PAST_MS,
    pausing: pausing === "1",
    // R4: where its entry is looked for, and where it waits for its admission.
    live: live !== null,
    place: waiting.some((score) => score !== null),
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
    live: isLive(status) && ticket > 0,
    place: run.place,
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
