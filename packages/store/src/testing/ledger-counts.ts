/** What the indexes and counters of a ledger hold, and what they must hold by the model of its runs. */
import { isLive, isTerminal, type ModelId } from "@baton/core";
import { admissionKeys, shardKeys, spaceKeys } from "../keys.ts";
import type { RedisClient } from "../redis-client.ts";
import { REPLY_COSTS } from "./perform-command.ts";
import type { ModelRun } from "./run-model.ts";

export interface LedgerCounts {
  readonly sets: Readonly<Record<string, readonly string[]>>;
  /** Those that are 0 are left out, for to some commands they are as good as absent. */
  readonly numbers: Readonly<Record<string, number>>;
}

/** The places in which the runs of these pools, batches and namespaces are counted. */
export interface Counted {
  readonly pools: readonly ModelId[];
  readonly batches: readonly string[];
  readonly namespaces: readonly string[];
}

/** What the hash of a batch holds that is no number of the model's. */
const SAID_OF_BATCH = ["created"];

export async function readCounts(
  redis: RedisClient,
  { pools, batches, namespaces }: Counted,
): Promise<LedgerCounts> {
  const { status, running, live, deadlines, backlog, batchPrefix } = shardKeys(0);
  const { admission, admitPrefix, fedPrefix, begun, later } = admissionKeys(0);
  const { namespaces: known, spacePrefix } = spaceKeys(0);
  const range = (key: string) => redis.zrange(key, "0", "-1");
  const sets: Record<string, readonly string[]> = {};
  const hashes: Record<string, Record<string, string>> = {};
  const reads: Promise<unknown>[] = [];
  const readSet = (name: string, reply: Promise<readonly string[]>) =>
    reads.push(reply.then((members) => (sets[name] = members)));
  const readHash = (name: string, key: string) =>
    reads.push(redis.hgetall(key).then((fields) => (hashes[name] = fields)));
  for (const [name, key] of Object.entries({ status, running, live, deadlines, later }))
    readSet(name, range(key));
  for (const [name, key] of Object.entries({ backlog, admission, begun })) readHash(name, key);
  for (const pool of pools) {
    readSet(`fed ${pool}`, redis.smembers(fedPrefix + pool));
    for (const batch of batches) readSet(`admit ${pool} ${batch}`, range(`${admitPrefix}${pool}:${batch}`));
  }
  for (const batch of batches) {
    readSet(`runs ${batch}`, range(`${batchPrefix}${batch}:runs`));
    readSet(`ended ${batch}`, range(`${batchPrefix}${batch}:ended`));
    readHash(`pools ${batch}`, `${batchPrefix}${batch}:pools`);
    readHash(`batch ${batch}`, batchPrefix + batch);
  }
  readSet("namespaces", redis.smembers(known));
  for (const namespace of namespaces) {
    readSet(`runs in ${namespace}`, range(`${spacePrefix}${namespace}:runs`));
    readHash(`space ${namespace}`, spacePrefix + namespace);
  }
  await Promise.all(reads);
  // A run whose time has come goes from there to the others with the next feed.
  for (const pool of pools)
    for (const batch of batches)
      sets.waiting = [...(sets.waiting ?? []), ...(sets[`admit ${pool} ${batch}`] ?? [])];
  sets.waiting = [...(sets.waiting ?? []), ...(sets.later ?? [])];
  const numbers = Object.entries(hashes).flatMap(([name, fields]) =>
    Object.entries(fields).flatMap(([field, value]) =>
      SAID_OF_BATCH.includes(field) ? [] : [[`${name} ${field}`, Number(value)] as const],
    ),
  );
  return tidy(sets, numbers);
}

export function countsOf(runs: readonly ModelRun[], { pools, batches, namespaces }: Counted): LedgerCounts {
  const sets: Record<string, readonly string[]> = {};
  const numbers: [string, number][] = [];
  const idsOf = (some: (run: ModelRun) => boolean) => runs.filter(some).map((run) => run.id);
  const waits = ({ state }: ModelRun) => state.status === "queued" && state.ticket === 0;
  const runsNow = ({ state }: ModelRun) => state.status === "running";
  const groupOf = (run: ModelRun) => `${isLive(run.state.status) ? "live" : run.state.status}/${run.id}`;
  sets.status = runs.map(groupOf);
  sets.running = idsOf(runsNow);
  sets.live = idsOf((run) => isLive(run.state.status) && !waits(run));
  sets.deadlines = idsOf((run) => run.deadline !== "none" && !isTerminal(run.state.status));
  sets.waiting = idsOf(waits);
  for (const pool of pools) {
    const inPool = runs.filter((run) => run.state.pool === pool && isLive(run.state.status));
    numbers.push([`backlog ${pool}`, inPool.filter((run) => !waits(run)).length]);
    numbers.push([`admission ${pool}`, inPool.filter(waits).length]);
    numbers.push([
      `begun ${pool}`,
      runs.reduce((sum, run) => sum + run.begunIn.filter((one) => one === pool).length, 0),
    ]);
    sets[`fed ${pool}`] = inPool.filter((run) => run.fed).map((run) => run.id);
    for (const batch of batches)
      numbers.push([`pools ${batch} ${pool}`, inPool.filter((run) => run.batch === batch).length]);
  }
  for (const batch of batches) {
    const own = runs.filter((run) => run.batch === batch);
    sets[`runs ${batch}`] = own.map(groupOf);
    sets[`ended ${batch}`] = own.filter((run) => isTerminal(run.state.status)).map((run) => run.id);
    numbers.push([`batch ${batch} running`, own.filter(runsNow).length], ...spentBy(`batch ${batch}`, own));
  }
  for (const namespace of namespaces) {
    const own = runs.filter((run) => run.namespace === namespace);
    sets[`runs in ${namespace}`] = own.map(groupOf);
    numbers.push(...spentBy(`space ${namespace}`, own));
  }
  sets.namespaces = namespaces.filter((one) => runs.some(({ namespace }) => namespace === one));
  return tidy(sets, numbers);
}

/** Each reply is counted once, whichever script wrote it. */
function spentBy(name: string, runs: readonly ModelRun[]): readonly [string, number][] {
  const replies = runs.reduce((sum, { totalTurns }) => sum + totalTurns, 0);
  return [
    [`${name} tokens`, replies * REPLY_COSTS.tokens],
    [`${name} cost`, replies * REPLY_COSTS.nanoUsd],
  ];
}

function tidy(
  sets: Readonly<Record<string, readonly string[]>>,
  numbers: readonly (readonly [string, number])[],
): LedgerCounts {
  const compared = Object.entries(sets).filter(([name]) => name !== "later" && !name.startsWith("admit "));
  return {
    sets: Object.fromEntries(compared.map(([name, members]) => [name, [...members].sort()])),
    numbers: Object.fromEntries(numbers.filter(([, value]) => value !== 0)),
  };
}
