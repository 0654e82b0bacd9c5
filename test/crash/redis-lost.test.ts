/**
 * Redis is lost under load: two workers have fifty runs at work when it goes. It comes back on the same data, the
 * workers go on by themselves, and what Redis had acknowledged is there.
 */
import { readdir, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RedisHandle } from "../../packages/redis-embedded/src/index.ts";
import { markOf } from "../../packages/redis-embedded/src/process-mark.ts";
import { sendSignal } from "../support/processes.ts";
import { until } from "../support/until.ts";
import { type CrashRig, contradictions, openCrashRig, type Submission, violations } from "./crash-rig.ts";
import { POOLS } from "./work.ts";

const RUNS = 50;
/** A takes two turns and a tool in each of its phases, B one turn. */
const PHASES = Array.from({ length: 6 }, (_, index) => ({ model: POOLS[index % 2] ?? POOLS[0] }));
const TURNS = [2, 1, 2, 1, 2, 1];
const REPLIES = TURNS.reduce((sum, turns) => sum + turns, 0);

let rig: CrashRig;
let redis: RedisHandle;
/** Process ids, sorted. */
let workers: readonly number[];

beforeAll(async () => {
  rig = await openCrashRig();
  redis = rig.redis;
  const started = await Promise.all([rig.startWorker(), rig.startWorker()]);
  workers = started.map((worker) => worker.pid).sort((a, b) => a - b);
});
afterAll(() => rig[Symbol.asyncDispose]());

interface Case {
  readonly what: string;
  readonly leave: () => void | Promise<void>;
  readonly awayMs: number;
}

const CASES: readonly Case[] = [
  { what: "killed and away for a second", leave: kill, awayMs: 1_000 },
  { what: "killed and away for longer than a lock", leave: kill, awayMs: 5_000 },
  { what: "shut down and started again", leave: () => redis.stop(), awayMs: 0 },
];

test.each(CASES)(
  "workers go on by themselves when Redis is $what under load",
  async ({ leave, awayMs }) => {
    // With `everysec`, Redis acknowledges writes before the system has them while a sync is under way.
    await rig.ledger.redis.config("SET", "appendfsync", "always");
    const runs = await submitMany();
    await underWay(runs);
    await leave();
    await delay(awayMs);
    redis = await rig.redis.restart();
    const backAt = Date.now();
    for (const { id, mark } of runs) {
      const { run, items } = await rig.ended(id);
      expect(violations(rig.journal, mark, run, items)).toEqual([]);
      expect(run.phases.map((phase) => phase.turns)).toEqual(TURNS);
    }
    await bothServeSince(backAt);
  },
  60_000,
);

test("runs go on from what is left when Redis was killed and has lost its last writes", async () => {
  const runs = await submitMany();
  const file = await appendOnlyFile();
  const submittedBytes = (await stat(file)).size;
  await underWay(runs);
  await kill();
  const writtenBytes = (await stat(file)).size;
  await truncate(file, Math.floor((submittedBytes + writtenBytes) / 2));
  redis = await rig.redis.restart();
  const backAt = Date.now();
  // What was lost is done again; what there is in the end is whole and holds nothing twice.
  for (const { id } of runs) {
    const { run, items } = await rig.ended(id);
    expect(contradictions(run, items)).toEqual([]);
    expect(run.phases.map((phase) => phase.turns)).toEqual(TURNS);
  }
  await bothServeSince(backAt);
}, 60_000);

test("new workers go on when Redis and all workers were killed at once", async () => {
  await rig.ledger.redis.config("SET", "appendfsync", "always");
  const runs = await submitMany();
  await underWay(runs);
  await Promise.all([kill(), ...workers.map((pid) => rig.worker(pid).kill())]);
  redis = await rig.redis.restart();
  await Promise.all([rig.startWorker(), rig.startWorker()]);
  for (const { id, mark } of runs) {
    const { run, items } = await rig.ended(id);
    expect(violations(rig.journal, mark, run, items)).toEqual([]);
    expect(run.phases.map((phase) => phase.turns)).toEqual(TURNS);
  }
}, 60_000);

function submitMany(): Promise<readonly Submission[]> {
  const orders = { tools: ["look" as const], latencyMs: 50 };
  return Promise.all(Array.from({ length: RUNS }, () => rig.submit(orders, { phases: PHASES })));
}

/** Resolves in the middle of the runs' work. */
async function underWay(runs: readonly Submission[]): Promise<void> {
  const marks = new Set(runs.map((run) => run.mark));
  const replies = (): number =>
    rig.journal.of("wrote").filter((act) => act.nonce !== undefined && marks.has(act.mark)).length;
  await until(() => replies() > (RUNS * REPLIES) / 3, { what: "a third of the replies" });
  expect(replies()).toBeLessThan(RUNS * REPLIES);
}

async function kill(): Promise<void> {
  const { pid } = redis;
  if (pid === undefined) throw new Error("Redis is not a process of this machine");
  sendSignal(pid, "SIGKILL");
  await until(async () => (await markOf(pid)) === undefined, { what: "the end of Redis" });
}

/** The file that Redis appends to now. */
async function appendOnlyFile(): Promise<string> {
  const folder = join(rig.redis.dataDir, "redis", "appendonlydir");
  const names = (await readdir(folder)).filter((name) => name.endsWith(".incr.aof"));
  const [name] = names;
  if (name === undefined || names.length > 1) throw new Error(`Redis appends to ${names}`);
  return join(folder, name);
}

/** Process ids, sorted, of the workers whose commits were acknowledged after this time. */
/** Each of the two commits again: one may have done all that was left before the other was back. */
async function bothServeSince(backAt: number): Promise<void> {
  while (!isDeepStrictEqual(committersSince(backAt), workers)) {
    const [more] = await Promise.all([
      rig.submit({}, { phases: PHASES }),
      rig.submit({}, { phases: PHASES }),
    ]);
    await rig.ended(more.id);
  }
}

function committersSince(at: number): readonly number[] {
  const pids = rig.journal
    .of("committed")
    .filter((act) => act.at > at)
    .map((act) => act.pid);
  return [...new Set(pids)].sort((a, b) => a - b);
}
