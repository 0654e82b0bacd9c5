/**
 * The runs of a key whose namespace is bounded: as many that have not ended, and as much spent. What makes runs, or wakes
 * those that ended or wait, asks first; what goes on by itself is left to go on.
 *
 * - Who looks for room makes its runs before the next one of the namespace looks, so that in one process no two take the
 *   same room. Of several processes each may take the room that another one has just taken.
 * - A batch that says how many lines it has gets in whole or not at all. One that turns out to have more new ones than it
 *   had room for is refused where there is none left, and goes on from there when it is sent again (R8).
 * - What is spent is known when it is spent: all that is under way by then is paid for.
 */
import { BatonError } from "@baton/core";
import { type RunService, submissionKey } from "@baton/producer";
import type { Ledger } from "@baton/store";
import { HttpProblem } from "../problem.ts";
import type { Principal } from "./principal.ts";
import { replaceMethods } from "./replace-methods.ts";
import type { Turns } from "./turns.ts";

export type SpaceLedger = Pick<Ledger, "countSpace" | "spaceUsage" | "isKeyTaken">;

const RETRY_AFTER_SECONDS = 5;
/** Runs of a batch that are woken between two looks. */
const RUNS_A_LOOK = 200;

type Bounds = NonNullable<Principal["bounds"]>;
type Lines = Parameters<RunService["submitBatch"]>[0];
type Woken = ReturnType<RunService["retryBatch"]>;

export function boundedRuns(
  service: RunService,
  principal: Principal,
  ledger: SpaceLedger,
  turns: Turns,
): RunService {
  const { namespace, bounds = {} } = principal;
  if (namespace === undefined || (bounds.maxLive === undefined && bounds.budget === undefined))
    return service;
  const money = () => checkBudget(namespace, bounds, ledger);
  const room = async (runs = 1): Promise<number> => {
    await money();
    return roomFor(runs, namespace, bounds, ledger);
  };
  /** What was submitted already is found again and needs no room: a caller that was cut comes for its run (R8). */
  const entry = async (options: Parameters<RunService["submit"]>[1] = {}): Promise<void> => {
    try {
      await room();
    } catch (refused) {
      const batch = options.batch && { ...options.batch, id: `${namespace}/${options.batch.id}` };
      const known = submissionKey({ ...options, batch, namespace });
      if (known === undefined || !(await ledger.isKeyTaken(known))) throw refused;
    }
  };
  /** Only room is taken away by others; a budget needs no turns. */
  const inTurn = <Value>(act: () => Promise<Value>): Promise<Value> =>
    bounds.maxLive === undefined ? act() : turns.take(namespace, act);
  return replaceMethods(service, {
    submit: (...args) => inTurn(() => entry(args[1]).then(() => service.submit(...args))),
    fork: (...args) => inTurn(() => entry(args[1]).then(() => service.fork(...args))),
    retry: (...args) => inTurn(() => room().then(() => service.retry(...args))),
    submitBatch: (lines, options, signal) =>
      inTurn(async () => {
        const known = options.lineCount === undefined ? 0 : await runsOfBatch(service, options.id);
        const left = await room(Math.max(1, (options.lineCount ?? 1) - known));
        return service.submitBatch(withRoom(lines, left, room), options, signal);
      }),
    retryBatch: (...args) => woken(service.retryBatch(...args), room),
    async *changeBatch(...args) {
      await money();
      yield* service.changeBatch(...args);
    },
    async resume(...args) {
      await money();
      return service.resume(...args);
    },
    async input(...args) {
      await money();
      return service.input(...args);
    },
    async approve(...args) {
      await money();
      return service.approve(...args);
    },
    async reject(...args) {
      await money();
      return service.reject(...args);
    },
  });
}

async function checkBudget(namespace: string, { budget }: Bounds, ledger: SpaceLedger): Promise<void> {
  if (budget === undefined) return;
  const { tokens, costUsd } = await ledger.spaceUsage(namespace);
  if (tokens >= (budget.tokens ?? Number.POSITIVE_INFINITY))
    throw spent(`${tokens} of ${budget.tokens} tokens`);
  if (costUsd >= (budget.usd ?? Number.POSITIVE_INFINITY)) throw spent(`${costUsd} of ${budget.usd} USD`);
}

/** How many more runs there may be. Throws when there may not be `runs` more. */
async function roomFor(
  runs: number,
  namespace: string,
  { maxLive }: Bounds,
  ledger: SpaceLedger,
): Promise<number> {
  if (maxLive === undefined) return Number.POSITIVE_INFINITY;
  if (runs > maxLive) {
    throw new HttpProblem(
      "too_large",
      413,
      `this API key may have ${maxLive} runs at once that have not ended, and these would be ${runs}: send them in parts, or use a key with more`,
    );
  }
  const { live, waiting } = await ledger.countSpace(namespace);
  const left = maxLive - live - waiting;
  if (runs <= left) return left;
  const wanted = runs === 1 ? "" : `, so ${runs} more do not fit`;
  throw new HttpProblem(
    "rate_limited",
    429,
    `this API key may have ${maxLive} runs at once that have not ended, and there are ${live + waiting}${wanted}: wait for some to end, or cancel some`,
    { retryAfter: RETRY_AFTER_SECONDS },
  );
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

async function* withRoom(
  lines: Lines,
  first: number,
  room: () => Promise<number>,
): Lines extends AsyncIterable<infer Line> ? AsyncGenerator<Line, void, void> : never {
  let left = first;
  for await (const line of lines) {
    if (left === 0) left = await room();
    left -= 1;
    yield line;
  }
}

/** Runs of a batch that are woken one by one, as long as there is room for them. */
async function* woken(runs: Woken, room: () => Promise<number>): Woken {
  let left = Math.min(await room(), RUNS_A_LOOK);
  for await (const run of runs) {
    yield run;
    left -= 1;
    if (left === 0) left = Math.min(await room(), RUNS_A_LOOK);
  }
}

function spent(what: string): BatonError {
  return new BatonError(
    "budget",
    `the budget of this API key is spent (${what}): what runs goes on, and nothing new is taken. \`baton keys create\` makes a key with more`,
  );
}
