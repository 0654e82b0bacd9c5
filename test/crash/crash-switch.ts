/**
 * Stands between the worker and what it is given, writes the journal, and ends the process at the step that a run
 * names. The product has no hooks for this: its ledger, adapters, tools and queues are wrapped from the outside.
 * The end is a real signal at a known line, and for one run it comes once, to the first process that gets there.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { AdapterLookup, Item, RunId } from "@baton/core";
import { textOf } from "@baton/core";
import {
  type EnqueueOptions,
  type Ledger,
  PoolQueues,
  type QueueEntry,
  type RedisClient,
} from "@baton/store";
import { Redis } from "ioredis";
import type { Journal } from "./journal.ts";
import { nonceAfter, type Orders, ordersOf, replyTo, type Step } from "./work.ts";

export class CrashSwitch {
  readonly #journal: Journal;
  readonly #orders = new Map<string, Orders>();
  /** The last commit of each run, to be waited for by the job that follows it. */
  readonly #commits = new Map<RunId, Promise<unknown>>();
  #calls = 0;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  ledger(real: Ledger): Ledger {
    return {
      ...real,
      claim: async (options) => {
        const reply = await real.claim(options);
        if (reply.kind !== "claimed") return reply;
        const orders = ordersOf(reply.items);
        this.#orders.set(reply.claim.runId, orders);
        this.#journal.add(orders.mark, {
          did: "claimed",
          ticket: reply.claim.ticket,
          takeover: reply.takeover,
        });
        this.#at("claimed", orders);
        return reply;
      },
      append: async (claim, append) => {
        const orders = this.#ordersOf(claim.runId);
        if (append.turn !== undefined) this.#at("replied", orders);
        const reply = await real.append(claim, append);
        if (reply.kind === "fenced") {
          this.#journal.add(orders.mark, { did: "refused", script: "append", status: reply.status });
          return reply;
        }
        this.#wrote(orders, append.items);
        if (append.turn !== undefined) this.#at("written", orders);
        if (append.items.some((item) => item.role === "tool")) this.#at("one_result", orders);
        return reply;
      },
      // Up to its first `await` this runs in the tick of the enqueue that follows, as the real one does.
      commit: (...given) => {
        const [claim, commit] = given;
        const orders = this.#ordersOf(claim.runId);
        if (commit.turn !== undefined) this.#at("deciding", orders);
        const committing = this.#commit(real, given, orders);
        this.#commits.set(claim.runId, committing);
        return committing;
      },
    };
  }

  /** Stands before the one way by which this process puts jobs into queues, for as long as it lives. */
  queues(): void {
    const add = PoolQueues.prototype.enqueue;
    const enqueue = async (
      queues: PoolQueues,
      entry: QueueEntry,
      options?: EnqueueOptions,
    ): Promise<void> => {
      const orders = this.#orders.get(entry.runId);
      // Never sent: the reply to the commit ends this process.
      if (this.#isArmed("committed", orders)) return new Promise(() => undefined);
      await add.call(queues, entry, options);
      if (orders === undefined || !this.#isArmed("enqueued", orders)) return;
      await this.#commits.get(entry.runId);
      this.#at("enqueued", orders);
    };
    PoolQueues.prototype.enqueue = function (entry, options) {
      return enqueue(this, entry, options);
    };
  }

  /**
   * Kills this process when a queue wakes it, before it has taken the job. BullMQ reads its wake-ups on duplicates
   * of the worker's connection.
   */
  whenWoken(connection: RedisClient): void {
    if (!(connection instanceof Redis)) throw new Error("crash tests have a single Redis");
    const duplicate = connection.duplicate.bind(connection);
    connection.duplicate = (options) => {
      const blocking = duplicate(options);
      const send = blocking.sendCommand.bind(blocking);
      blocking.sendCommand = (command, stream) => {
        // First to hear of the reply, before BullMQ does.
        if (command.name === "bzpopmin") void command.promise.then(killIfWoken, () => undefined);
        return send(command, stream);
      };
      return blocking;
    };
  }

  /** Models at the adapter interface: slow by as much as the run says, and a call is noted before it is made. */
  readonly adapters: AdapterLookup = () => ({
    call: async (request, onDelta, signal) => {
      const orders = ordersOf(request.items);
      this.#calls += 1;
      const nonce = nonceAfter(request.items, `${process.pid}-${this.#calls}`);
      this.#journal.add(orders.mark, { did: "bought", seq: request.items.length, nonce });
      onDelta({ kind: "text", text: nonce });
      await delay(orders.latencyMs, undefined, { signal });
      this.#at("calling", orders);
      return replyTo(request, orders, nonce);
    },
  });

  /** Hears of each tool call when it begins. */
  readonly onTool = (callId: string, runId: string): void => {
    const orders = this.#ordersOf(runId);
    this.#journal.add(orders.mark, { did: "ran", callId });
    this.#at("in_tool", orders);
  };

  async #commit(real: Ledger, given: Parameters<Ledger["commit"]>, orders: Orders) {
    const [claim, commit] = given;
    const reply = await real.commit(...given);
    if (reply.kind === "fenced") {
      this.#journal.add(orders.mark, { did: "refused", script: "commit", status: reply.status });
      return reply;
    }
    const outcome = commit.outcome.kind;
    this.#wrote(orders, commit.items);
    this.#journal.add(orders.mark, { did: "committed", ticket: claim.ticket, outcome });
    if (outcome === "handoff") this.#at("committed", orders);
    if (outcome === "succeeded") this.#at("ended", orders);
    return reply;
  }

  #wrote(orders: Orders, items: readonly Item[]): void {
    for (const item of items) {
      const [part] = item.parts;
      this.#journal.add(orders.mark, {
        did: "wrote",
        seq: item.seq,
        ...(item.role === "assistant" ? { nonce: textOf(item) } : {}),
        ...(part?.type === "tool_result" ? { callId: part.callId } : {}),
      });
    }
  }

  #at(step: Step, orders: Orders): void {
    const { crash, mark } = orders;
    if (crash?.step !== step || !this.#journal.isFirst(`${mark}.crash`)) return;
    this.#journal.add(mark, { did: "crashed", step });
    // Both signals take effect before the call returns.
    process.kill(process.pid, crash.signal);
  }

  #isArmed(step: Step, orders: Orders | undefined): boolean {
    return orders?.crash?.step === step && this.#journal.isOpen(`${orders.mark}.crash`);
  }

  #ordersOf(runId: string): Orders {
    const orders = this.#orders.get(runId);
    if (orders === undefined) throw new Error(`${runId} was not claimed here`);
    return orders;
  }
}

/** A blocking read replies nothing when its time is over. */
function killIfWoken(reply: unknown): void {
  if (reply !== null) process.kill(process.pid, "SIGKILL");
}
