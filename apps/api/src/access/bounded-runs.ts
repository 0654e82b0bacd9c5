/**
 * The runs of a key whose namespace is bounded: as many that have not ended, and as much spent. What makes runs, or wakes
 * those that ended or wait, asks first; what goes on by itself is left to go on.
 *
 * - There are never more live runs than the bound, however many make them at once, in whatever process (`room.ts`).
 * - A batch that says how many lines it has gets in whole or not at all (`batch-room.ts`). One that turns out to have more
 *   new ones than it had room for is refused where there is none left, and goes on from there when it is sent again (R8).
 * - What was submitted already is found again and needs neither room nor money: a caller that was cut comes for its run.
 * - What is spent is known when it is spent: all that is under way by then is paid for.
 */
import { BatonError } from "@baton/core";
import type { Admission, RunService } from "@baton/producer";
import type { Ledger } from "@baton/store";
import { HttpProblem } from "../problem.ts";
import { BatchRoom } from "./batch-room.ts";
import type { Principal } from "./principal.ts";
import { replaceMethods } from "./replace-methods.ts";
import {
  type Act,
  actInRoom,
  findRoom,
  findThere,
  isLate,
  type Room,
  type RoomLedger,
  stoodStill,
} from "./room.ts";
import type { Turns } from "./turns.ts";

export type SpaceLedger = RoomLedger & Pick<Ledger, "spaceUsage">;

const RETRY_AFTER_SECONDS = 5;
/** Runs of a batch that are woken between two looks at what is spent. */
const RUNS_A_LOOK = 200;
/** The end of room that nothing bounds. */
const NEVER = Number.MAX_SAFE_INTEGER;

type Bounds = NonNullable<Principal["bounds"]>;
type Arguments<Name extends keyof RunService> = Parameters<RunService[Name]>;

export function boundedRuns(
  service: RunService,
  principal: Principal,
  ledger: SpaceLedger,
  turns: Turns,
): RunService {
  const { namespace, bounds = {} } = principal;
  if (namespace === undefined || (bounds.maxLive === undefined && bounds.budget === undefined))
    return service;
  const space = new BoundedSpace(service, namespace, bounds, ledger, turns);
  return replaceMethods(service, {
    submit: (spec, options) => service.submit(spec, { ...options, admission: space }),
    fork: (id, options) => service.fork(id, { ...options, admission: space }),
    retry: (id, options) => service.retry(id, { ...options, admission: space }),
    submitBatch: (...args) => space.submitBatch(...args),
    retryBatch: (...args) => space.retryBatch(...args),
    async *changeBatch(...args) {
      await space.demandMoney();
      yield* service.changeBatch(...args);
    },
    async resume(...args) {
      await space.demandMoney();
      return service.resume(...args);
    },
    async input(...args) {
      await space.demandMoney();
      return service.input(...args);
    },
    async approve(...args) {
      await space.demandMoney();
      return service.approve(...args);
    },
    async reject(...args) {
      await space.demandMoney();
      return service.reject(...args);
    },
  });
}

/** A namespace as one key may use it; lets its runs in one by one. */
class BoundedSpace implements Admission {
  readonly #service: RunService;
  readonly #namespace: string;
  readonly #bounds: Bounds;
  readonly #ledger: SpaceLedger;
  readonly #turns: Turns;

  constructor(service: RunService, namespace: string, bounds: Bounds, ledger: SpaceLedger, turns: Turns) {
    this.#service = service;
    this.#namespace = namespace;
    this.#bounds = bounds;
    this.#ledger = ledger;
    this.#turns = turns;
  }

  async admit<Reply extends { readonly kind: string }>(act: Act<Reply>): Promise<Reply> {
    const spentUp = await this.#spentUp();
    if (spentUp !== undefined) return (await findThere(act)) ?? raise(spentUp);
    const { maxLive } = this.#bounds;
    if (maxLive === undefined) {
      const reply = await act(NEVER);
      return isLate(reply) ? raise(stoodStill()) : reply;
    }
    const bound = { namespace: this.#namespace, maxLive };
    const outcome = await actInRoom(this.#ledger, bound, this.#turns, act);
    if (outcome.kind === "done") return outcome.reply;
    return (await findThere(act)) ?? raise(noRoom(1, maxLive, outcome.live));
  }

  async submitBatch(...[lines, options, signal]: Arguments<"submitBatch">) {
    const { lineCount } = options;
    const runs = lineCount === undefined ? 0 : lineCount - (await runsOfBatch(this.#service, options.id));
    if (runs > 0) await this.demandMoney();
    const room = runs > 0 ? await this.#roomFor(runs) : undefined;
    await using batch = new BatchRoom({
      runs: room === undefined ? 0 : runs,
      room,
      beyond: this,
      again: async (left) => (await this.#roomFor(left)) ?? raise(stoodStill()),
    });
    // Money bounds what comes behind, and no number of runs does.
    const admission = runs > 0 && room === undefined ? undefined : batch;
    return await this.#service.submitBatch(lines, { ...options, admission }, signal);
  }

  /** Woken one by one, as long as there is room for them and money. */
  async *retryBatch(...[id, options, signal]: Arguments<"retryBatch">): ReturnType<RunService["retryBatch"]> {
    await this.demandMoney();
    let count = 0;
    try {
      for await (const run of this.#service.retryBatch(id, { ...options, admission: this }, signal)) {
        yield run;
        count += 1;
        if (count % RUNS_A_LOOK === 0) await this.demandMoney();
      }
    } catch (error) {
      // What ends an act on many runs is told by it as a fault of its own, with the refusal as the cause.
      throw error instanceof BatonError && error.cause instanceof HttpProblem ? error.cause : error;
    }
  }

  /** Throws `budget` when it is spent. */
  async demandMoney(): Promise<void> {
    const spentUp = await this.#spentUp();
    if (spentUp !== undefined) throw spentUp;
  }

  /** Undefined where nothing bounds them. Throws when there is none. */
  async #roomFor(runs: number): Promise<Room | undefined> {
    const { maxLive } = this.#bounds;
    if (maxLive === undefined) return undefined;
    if (runs > maxLive) throw tooMany(runs, maxLive);
    const room = await findRoom(this.#ledger, { namespace: this.#namespace, maxLive }, runs);
    return room.kind === "room" ? room : raise(noRoom(runs, maxLive, room.live));
  }

  async #spentUp(): Promise<BatonError | undefined> {
    const { budget } = this.#bounds;
    if (budget === undefined) return undefined;
    const { tokens, costUsd } = await this.#ledger.spaceUsage(this.#namespace);
    if (tokens >= (budget.tokens ?? Number.POSITIVE_INFINITY))
      return spent(`${tokens} of ${budget.tokens} tokens`);
    if (costUsd >= (budget.usd ?? Number.POSITIVE_INFINITY)) return spent(`${costUsd} of ${budget.usd} USD`);
    return undefined;
  }
}

/** Those of its lines that are in need no room; none when it is not there yet. */
async function runsOfBatch(service: RunService, id: string): Promise<number> {
  try {
    return (await service.batchStatus(id)).total;
  } catch (error) {
    if (error instanceof BatonError && error.code === "not_found") return 0;
    throw error;
  }
}

function raise(error: Error): never {
  throw error;
}

function tooMany(runs: number, maxLive: number): HttpProblem {
  return new HttpProblem(
    "too_large",
    413,
    `this API key may have ${maxLive} runs at once that have not ended, and these would be ${runs}: send them in parts, or use a key with more`,
  );
}

function noRoom(runs: number, maxLive: number, live: number): HttpProblem {
  const wanted = runs === 1 ? "" : `, so ${runs} more do not fit`;
  return new HttpProblem(
    "rate_limited",
    429,
    `this API key may have ${maxLive} runs at once that have not ended, and there are ${live}${wanted}: wait for some to end, or cancel some`,
    { retryAfter: RETRY_AFTER_SECONDS },
  );
}

function spent(what: string): BatonError {
  return new BatonError(
    "budget",
    `the budget of this API key is spent (${what}): what runs goes on, and nothing new is taken. \`baton keys create\` makes a key with more`,
  );
}
