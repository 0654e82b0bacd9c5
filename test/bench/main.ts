/**
 * `npm run bench [section ...]`: prints a table of figures, each measured in this one run, and the commit it measured. The
 * sections and their options are told in README.md; without names, those that take seconds run. `--peers [peer ...]` measures
 * against other engines instead. `--json FILE` also writes the rows.
 */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { freshRedis } from "../support/redis.ts";
import { barePhasesPerSecond } from "./chain-bare.ts";
import { batonPhasesPerSecond } from "./chain-baton.ts";
import { encryptionCost } from "./encryption.ts";
import { fairness } from "./fairness.ts";
import { growth } from "./growth.ts";
import { handoffLatenciesMs } from "./handoff-latency.ts";
import { againstPeers } from "./peers.ts";
import { profileWorker } from "./profile.ts";
import { reconcilerCost } from "./reconciler-cost.ts";
import { median, print, type Row, say } from "./rows.ts";
import { runBytes } from "./run-bytes.ts";
import { streaming } from "./streaming.ts";
import { submitSpeed } from "./submit.ts";
import { bytesPerTurn } from "./turn-bytes.ts";

const PAIRS = 5;
/** As many fetches as a pool of Baton has under way at once, see fetcher.ts. */
const FETCHERS = 4;

const { values, positionals } = parseArgs({
  options: {
    json: { type: "string" },
    runs: { type: "string", default: "600" },
    peers: { type: "boolean", default: false },
    streams: { type: "string", default: "2000,5000" },
    lines: { type: "string", default: "100000" },
    waiting: { type: "string", default: "100000" },
  },
  allowPositionals: true,
});
const sections: Readonly<Record<string, () => Promise<readonly Row[]>>> = {
  throughput: () => throughput(Number(values.runs)),
  latency,
  turns: turnCost,
  reconciler: () => reconcilerCost(Number(values.waiting)),
  fairness: () => fairness(5_000),
  encryption: () => encryptionCost(Number(values.runs)),
  memory: () => runBytes(2_000),
  streaming: () => streaming(values.streams.split(",").map(Number)),
  submit: () => submitSpeed(Number(values.lines)),
  profile: () => profileWorker({ runs: Number(values.runs), by: "file" }),
  functions: () => profileWorker({ runs: Number(values.runs), by: "function" }),
  growth: () => growth({ waiting: Number(values.waiting), runs: Number(values.runs) }),
};
const names = positionals.length > 0 ? positionals : ["throughput", "latency", "turns"];
const rows: Row[] = [];
if (values.peers) {
  rows.push(...(await againstPeers({ names: positionals, runs: Number(values.runs), rounds: PAIRS })));
}
for (const name of values.peers ? [] : names) {
  const section = sections[name];
  if (section === undefined) throw new Error(`no benchmark ${name}: ${Object.keys(sections).join(", ")}`);
  rows.push(...(await section()));
}
print(rows, `medians of ${PAIRS} interleaved rounds where there are rounds`);
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(rows, null, 2)}\n`);

/**
 * Durable phases a second beside a bare BullMQ chain, interleaved, so that noise falls on all alike: once against one
 * worker a queue, as BullMQ is mostly used, and once against as many fetchers as a pool of Baton's has.
 */
async function throughput(runs: number): Promise<readonly Row[]> {
  await using redis = await freshRedis();
  const admin = new Redis(redis.url);
  const rounds: { readonly baton: number; readonly bare: number; readonly alike: number }[] = [];
  const measure = async (chain: () => Promise<number>): Promise<number> => {
    await admin.flushall();
    return chain();
  };
  // The first round warms up and is not counted.
  for (let round = 0; round <= PAIRS; round += 1) {
    const baton = await measure(() => batonPhasesPerSecond({ url: redis.url, runs }));
    const bare = await measure(() => barePhasesPerSecond({ url: redis.url, runs }, 1));
    const alike = await measure(() => barePhasesPerSecond({ url: redis.url, runs }, FETCHERS));
    if (round > 0) rounds.push({ baton, bare, alike });
    const numbers = [baton, bare, alike].map(Math.round).join(", ");
    say(
      `round ${round === 0 ? "(warm-up)" : round}: Baton, bare, bare with ${FETCHERS} fetchers: ${numbers} a second`,
    );
  }
  admin.disconnect();
  const ratio = median(rounds.map(({ baton, bare }) => baton / bare));
  const strict = median(rounds.map(({ baton, alike }) => baton / alike));
  return [
    { name: "durable phases", value: median(rounds.map((round) => round.baton)), unit: "1/s" },
    { name: "bare steps, 1 worker a queue", value: median(rounds.map((round) => round.bare)), unit: "1/s" },
    {
      name: `bare steps, ${FETCHERS} workers a queue`,
      value: median(rounds.map((round) => round.alike)),
      unit: "1/s",
    },
    { name: "durable against bare, 1 worker", value: ratio, unit: "×", bar: 0.6, ok: ratio >= 0.6 },
    {
      name: `durable against bare, ${FETCHERS} workers`,
      value: strict,
      unit: "×",
      bar: 0.6,
      ok: strict >= 0.6,
    },
  ];
}

async function latency(): Promise<readonly Row[]> {
  await using redis = await freshRedis();
  const sorted = await handoffLatenciesMs(redis.url, 300);
  const at = (fraction: number): number => sorted[Math.floor(sorted.length * fraction)] ?? Number.NaN;
  return [
    { name: "handoff, p50", value: at(0.5), unit: "ms", bar: 3, ok: at(0.5) <= 3 },
    { name: "handoff, p99", value: at(0.99), unit: "ms", bar: 15, ok: at(0.99) <= 15 },
  ];
}

async function turnCost(): Promise<readonly Row[]> {
  await using redis = await freshRedis();
  const { early, late } = await bytesPerTurn(redis.url, 2, 200);
  const ratio = late / early;
  return [
    { name: "bytes to Redis for turn 2", value: early, unit: "B" },
    { name: "bytes to Redis for turn 200", value: late, unit: "B" },
    { name: "turn 200 against turn 2", value: ratio, unit: "×", bar: 1.1, ok: ratio <= 1.1 },
  ];
}
