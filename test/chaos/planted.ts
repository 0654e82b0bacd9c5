/**
 * Bugs, one for each invariant at least, planted into a small world of the real worker, producer and ledger on a real
 * Redis. Each is a switch in test code: something that stands before the ledger and does what a careless client or a
 * script without its check would do. What comes of it goes to the checker as a history.
 */
import { BatonError, type Item, newOperationId, type RunId, runEventSchema } from "@baton/core";
import { type Claim, type Ledger, runKeys } from "@baton/store";
import { z } from "zod";
import { until } from "../support/until.ts";
import { systemIds } from "../support/worker-rig.ts";
import type { Violation } from "./history.ts";
import { GPT } from "./planted-history.ts";
import { careless, type Hook, type World, type Wrap } from "./planted-world.ts";

export interface PlantedBug {
  /** All that the checker is to name, and nothing else. */
  readonly breaks: readonly Violation["invariant"][];
  readonly what: string;
  readonly play: (world: World) => Promise<void>;
  /** For R4: the bound of a world that does not wait for long. */
  readonly recoveryMsMax?: number;
}

/** R1: the reply to a retry is lost, and the client sends it again as a new one. */
const resendsAsNew: PlantedBug = {
  breaks: ["R1"],
  what: "a client that sends a retry again under a new operation id",
  async play(world) {
    const wrap: Wrap = (real) => ({
      ...real,
      async retry(id, retry) {
        const seen = await real.retry(id, retry);
        if (seen.kind === "done" && seen.entry !== undefined) await world.rig.queues.enqueue(seen.entry);
        // The second send comes when the run has failed once more.
        const run = await until(
          async () => {
            const now = await world.run(id);
            return now.status === "failed" && now.epoch > retry.epoch && now;
          },
          { what: "the second failure" },
        );
        const items = moved(retry.items, run.items, { epoch: run.epoch });
        const op = newOperationId(systemIds);
        return real.retry(id, { ...retry, op, epoch: run.epoch, length: run.items, items });
      },
    });
    await world.startWorker();
    const id = await world.submit("r1", ["refuse", "refuse", "text"]);
    await world.ended(id);
    await world.ask("r1", "retry", world.producer(wrap));
    await world.ended(id);
  },
};

/** R2: a claim that was lost writes all the same, and hears nothing of its loss. */
const ignoresFence: PlantedBug = {
  breaks: ["R2"],
  what: "scripts that do not look at the fence",
  async play(world) {
    const wrap: Wrap = (real) => ({
      ...real,
      beat: async (...given) => ({ ...(await real.beat(...given)), lost: [] }),
      commit: async (claim, ...rest) => real.commit(await fenceNow(claim, real), ...rest),
    });
    const second = Promise.withResolvers<void>();
    const hook: Hook = async ({ number, signal }) => {
      if (number === 1) return second.promise;
      // The next claim is under way, and its model takes its time.
      await aborted(signal);
    };
    await world.startWorker({ wrap, hook });
    const id = await world.submit("r2", ["text"]);
    await until(() => world.purchasesOf("r2").length === 1, { what: "the first call" });
    await world.requeue(id);
    await until(() => world.purchasesOf("r2").length === 2, { what: "the second call" });
    await until(() => isClaimTold(world, id), { what: "the second claim" });
    second.resolve();
    await world.ended(id);
  },
};

/** R3: an append that makes the log shorter to read. */
const rewritesLog: PlantedBug = {
  breaks: ["R3"],
  what: "an append that rewrites an item",
  async play(world) {
    const wrap: Wrap = (real) => ({
      ...real,
      async append(claim, append) {
        const reply = await real.append(claim, append);
        const { log } = runKeys(claim.runId);
        const first = JSON.parse((await real.redis.lindex(log, 0)) ?? "{}");
        await real.redis.lset(log, 0, JSON.stringify({ ...first, at: first.at + 1 }));
        return reply;
      },
    });
    await world.startWorker({ wrap });
    await world.ended(await world.submit("r3", ["tools", "text"]));
  },
};

/** R4: the queue loses a job, and nobody gives the run another. */
const reconcilerOff: PlantedBug = {
  breaks: ["R4", "lost"],
  what: "a lost job without a reconciler",
  recoveryMsMax: 2_000,
  async play(world) {
    const wrap: Wrap = (real) => ({ ...real, requeue: async () => ({ kind: "refused", status: "moved" }) });
    const lost = await world.submit("r4", ["text"]);
    await world.rig.queues.queueOf(GPT).remove(`${lost}-1`);
    const since = Date.now();
    await world.startWorker({ wrap });
    await world.ended(await world.submit("other", ["text"]));
    await until(() => Date.now() - since > 2_500, { what: "the bound to pass" });
  },
};

/** R5: a claim whose view of the conversation ends before its last reply. */
const buysAgain: PlantedBug = {
  breaks: ["R5"],
  what: "a worker that buys before it has read all of the log",
  async play(world) {
    const wrap: Wrap = (real) => ({
      ...real,
      async claim(options) {
        const reply = await real.claim(options);
        if (reply.kind !== "claimed") return reply;
        const last = reply.items.findLastIndex((item) => item.role === "assistant");
        return last < 0 ? reply : { ...reply, items: reply.items.slice(0, last), turns: reply.turns - 1 };
      },
    });
    const hook: Hook = ({ what, number }) => {
      if (what !== "model" || number !== 2) return;
      throw new BatonError("provider_overloaded", "503", { retry: { after: 1 } });
    };
    await world.startWorker({ wrap, hook });
    const id = await world.submit("r5", ["tools", "text"]);
    await until(() => world.purchasesOf("r5").length === 3, { what: "the third call" });
    await world.ask("r5", "cancel");
    await world.ended(id);
  },
};

/** R5: a takeover that does not see that a tool was started. */
const paysAgain: PlantedBug = {
  breaks: ["R5"],
  what: "a takeover that overlooks the marker of a tool with effects",
  async play(world) {
    const wrap: Wrap = (real) => ({
      ...real,
      async claim(options) {
        const reply = await real.claim(options);
        if (reply.kind !== "claimed") return reply;
        return { ...reply, items: reply.items.map(unmarked) };
      },
    });
    const hook: Hook = async ({ what, number, signal }) => {
      if (what === "pay" && number === 1) await aborted(signal);
    };
    await world.startWorker({ wrap, hook });
    const id = await world.submit("r5b", ["tools", "text"]);
    await until(() => world.toolRunsOf("r5b").some(({ tool }) => tool === "pay"), { what: "the payment" });
    await world.requeue(id);
    await world.ended(id);
  },
};

/** R6: a terminal run goes on, and its log does not say why. */
const retriesSilently: PlantedBug = {
  breaks: ["R6"],
  what: "a retry that is not recorded",
  async play(world) {
    const wrap: Wrap = (real) => ({
      ...real,
      retry: (id, retry) => real.retry(id, { ...retry, items: [] }),
    });
    await world.startWorker();
    const id = await world.submit("r6", ["refuse"]);
    const { epoch } = await world.ended(id);
    await world.ask("r6", "retry", world.producer(wrap));
    await until(async () => (await world.run(id)).epoch >= epoch + 3, { what: "the second end" });
    await world.ended(id);
  },
};

/** R7: the commit of a handoff is taken a second time. */
const commitsTwice: PlantedBug = {
  breaks: ["R7"],
  what: "a commit that does not look whether its ticket was committed",
  async play(world) {
    const wrap: Wrap = (real) => ({
      ...real,
      async commit(claim, commit, before) {
        const reply = await real.commit(claim, commit, before);
        if (commit.outcome.kind !== "handoff" || reply.kind !== "committed") return reply;
        const { claimId, epoch, ticket } = claim;
        const back = { status: "running", claim: claimId, epoch, ticket, committed: "" };
        await real.redis.hset(runKeys(claim.runId).run, back);
        const length = commit.length + commit.items.length;
        const again = await real.commit(claim, { ...commit, length, items: [], turn: undefined, events: [] });
        if (again.kind === "committed" && again.entry !== undefined) {
          await world.rig.queues.enqueue(again.entry);
        }
        return again;
      },
    });
    await world.startWorker({ wrap });
    await world.ended(await world.submit("r7", ["transfer", "text"]));
  },
};

/** R8: a producer that is started again with the list that it had. */
const dropsKey: PlantedBug = {
  breaks: ["R8"],
  what: "a producer that submits without the idempotency key",
  async play(world) {
    const wrap: Wrap = (real) => ({
      ...real,
      create: (create) => real.create({ ...create, idempotencyKey: undefined }),
    });
    const producer = world.producer(wrap);
    await world.startWorker();
    for (let start = 0; start < 2; start += 1) {
      await world.ended(await world.submit("r8", ["text"], producer));
    }
  },
};

/** R9: the provider's answer holds the key, and goes where errors go. */
const tellsKey: PlantedBug = {
  breaks: ["R9"],
  what: "an adapter whose error tells the key",
  async play(world) {
    const hook: Hook = () => {
      throw careless();
    };
    await world.startWorker({ hook });
    await world.ended(await world.submit("r9", ["text"]));
  },
};

/** A handoff that leaves the call open by which it was asked for. */
const leavesCallOpen: PlantedBug = {
  breaks: ["conversation"],
  what: "a handoff that does not close the tool loop",
  async play(world) {
    const wrap: Wrap = (real) => ({
      ...real,
      commit(claim, commit, ...rest) {
        const kept = commit.items.filter((item) => item.role !== "tool");
        return real.commit(claim, { ...commit, items: moved(kept, commit.length, {}) }, ...rest);
      },
    });
    await world.startWorker({ wrap });
    await world.ended(await world.submit("open", ["transfer", "text"]));
  },
};

/** The producer is told that its run is there before it is. */
const acceptsNothing: PlantedBug = {
  breaks: ["lost"],
  what: "a submission that is accepted and not written",
  async play(world) {
    const wrap: Wrap = (real) => ({
      ...real,
      create: async ({ id, pool }) => ({ kind: "created", entry: { runId: id, ticket: 1, pool } }),
    });
    await world.startWorker();
    await world.submit("lost", ["text"], world.producer(wrap));
    await world.ended(await world.submit("other", ["text"]));
  },
};

export const PLANTED_BUGS: readonly PlantedBug[] = [
  ...[resendsAsNew, ignoresFence, rewritesLog, reconcilerOff, buysAgain, paysAgain],
  ...[retriesSilently, commitsTwice, dropsKey, tellsKey, leavesCallOpen, acceptsNothing],
];

/** Items at their places behind `length`, as whoever writes them would place them. */
function moved(items: readonly Item[], length: number, stamp: Partial<Item>): readonly Item[] {
  return items.map((item, index) => ({ ...item, ...stamp, seq: length + index }));
}

function unmarked(item: Item): Item {
  if (!item.parts.some((part) => part.type === "tool_started")) return item;
  return { ...item, parts: [{ type: "record", act: "resume", detail: {} }] };
}

async function fenceNow(claim: Claim, ledger: Ledger): Promise<Claim> {
  const now = await ledger.glance(claim.runId);
  // The fence of whoever holds the run: the ledger made it, so it has its brand.
  return now === undefined
    ? claim
    : { ...claim, ticket: now.ticket, epoch: now.epoch, claimId: now.claimId as Claim["claimId"] };
}

/** Whether the run is at work, and its watchers were told under which claim. */
async function isClaimTold(world: World, id: RunId): Promise<boolean> {
  const { status, epoch } = await world.run(id);
  const entries = await world.redis.xrange(runKeys(id).events, "-", "+");
  const told = entries.flatMap(([, fields]) => z.array(runEventSchema).parse(JSON.parse(fields[1] ?? "[]")));
  return status === "running" && told.some((event) => event.type === "phase" && event.epoch === epoch);
}

/** Never resolves: rejects when the work is given up. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}
