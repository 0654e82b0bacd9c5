/**
 * How the cost grows: with the runs that wait, with the turns that a run has had, with the pools that the same work is
 * spread over. Each is a ratio of two samples that take turns; 1 means that it does not grow.
 */
import { Redis } from "ioredis";
import { freshRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";
import { openBenchRig, openSubmitter, POOLS, textReply } from "./bench-rig.ts";
import { ALIVE, batonPhasesPerSecond } from "./chain-baton.ts";
import { median, type Row, say } from "./rows.ts";
import { turnTimes } from "./turn-times.ts";

const ROUNDS = 5;
const FEW = 1_000;
/** Phases of a round, and those before the clock starts. */
const SAMPLE = 1_000;
const LEAD_IN = 200;
const POOLS_MANY = 50;

export interface GrowthOptions {
  readonly waiting: number;
  readonly runs: number;
}

export async function growth({ waiting, runs }: GrowthOptions): Promise<readonly Row[]> {
  return [...(await withBacklog(waiting)), ...(await withTurns()), ...(await withPools(runs))];
}

/** Phases a second out of a queue in which few runs wait, and out of one in which many do. */
async function withBacklog(waiting: number): Promise<readonly Row[]> {
  await using few = await freshRedis();
  await using many = await freshRedis();
  const rounds: { readonly few: number; readonly many: number }[] = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    await fillUp(few.url, FEW + SAMPLE + LEAD_IN);
    await fillUp(many.url, waiting + SAMPLE + LEAD_IN);
    const measured = { few: await drainSome(few.url), many: await drainSome(many.url) };
    if (round > 0) rounds.push(measured);
    say(`backlog, round ${round}: ${Math.round(measured.few)}, ${Math.round(measured.many)} phases a second`);
  }
  const at = (count: number) => `phases with ${count.toLocaleString("en")} waiting`;
  return [
    { name: at(FEW), value: median(rounds.map((round) => round.few)), unit: "1/s" },
    { name: at(waiting), value: median(rounds.map((round) => round.many)), unit: "1/s" },
    { name: "many waiting against few", value: median(rounds.map(({ few, many }) => many / few)), unit: "×" },
  ];
}

/** Submits until so many runs wait. */
async function fillUp(url: string, waiting: number): Promise<void> {
  await using submitter = await openSubmitter(url);
  let left = waiting - (await submitter.ledger.count("queued"));
  const submitSome = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await submitter.producer.submit({ input: "go", model: POOLS[0] });
    }
  };
  await Promise.all(Array.from({ length: 256 }, submitSome));
}

async function drainSome(url: string): Promise<number> {
  const began = { at: 0 };
  const ended = { at: 0 };
  let calls = 0;
  await using _rig = await openBenchRig({
    url,
    concurrency: ALIVE,
    call: (request) => {
      calls += 1;
      if (calls === LEAD_IN) began.at = performance.now();
      if (calls === LEAD_IN + SAMPLE) ended.at = performance.now();
      return textReply(request, "x".repeat(1_024));
    },
  });
  await until(() => ended.at > 0, { what: "a sample of phases", withinMs: 60_000 });
  return SAMPLE / ((ended.at - began.at) / 1_000);
}

async function withTurns(): Promise<readonly Row[]> {
  await using redis = await freshRedis();
  const { early, late, ratio } = await turnTimes(redis.url, { early: 2, late: 200, rounds: ROUNDS });
  return [
    { name: "time of turn 2", value: early, unit: "ms" },
    { name: "time of turn 200", value: late, unit: "ms" },
    { name: "turn 200 against turn 2, time", value: ratio, unit: "×" },
  ];
}

/** The same chains of phases over one pool, and over many. */
async function withPools(runs: number): Promise<readonly Row[]> {
  await using redis = await freshRedis();
  const admin = new Redis(redis.url);
  const names = Array.from({ length: POOLS_MANY }, (_, index) => `bench/p${index}`);
  const measure = async (pools: readonly string[]): Promise<number> => {
    await admin.flushall();
    return batonPhasesPerSecond({ url: redis.url, runs, pools });
  };
  const rounds: { readonly one: number; readonly many: number }[] = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    const measured = { one: await measure(names.slice(0, 1)), many: await measure(names) };
    if (round > 0) rounds.push(measured);
    say(`pools, round ${round}: ${Math.round(measured.one)}, ${Math.round(measured.many)} phases a second`);
  }
  admin.disconnect();
  return [
    { name: "phases over 1 pool", value: median(rounds.map((round) => round.one)), unit: "1/s" },
    {
      name: `phases over ${POOLS_MANY} pools`,
      value: median(rounds.map((round) => round.many)),
      unit: "1/s",
    },
    { name: "many pools against one", value: median(rounds.map(({ one, many }) => many / one)), unit: "×" },
  ];
}
