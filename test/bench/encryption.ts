/** What encryption at rest costs: the same phases with keys and in clear, in turns, and the bytes that they leave behind. */
import { createSecretKey, randomBytes } from "node:crypto";
import { type Cipher, cipherOf } from "@baton/store";
import { Redis } from "ioredis";
import { freshRedis } from "../support/redis.ts";
import { batonPhasesPerSecond, PHASES } from "./chain-baton.ts";
import { median, type Row, say } from "./rows.ts";

const ROUNDS = 5;

interface Sample {
  readonly phasesPerSecond: number;
  /** That Redis holds of a run. */
  readonly bytes: number;
  /** Of this process, worker and submitter in one, in microseconds a phase. */
  readonly cpuUs: number;
}

export async function encryptionCost(runs: number): Promise<readonly Row[]> {
  await using redis = await freshRedis();
  const admin = new Redis(redis.url);
  const keys = [{ id: "bench", secret: createSecretKey(randomBytes(32)) }];
  const cipher = cipherOf({ keys, random: randomBytes });
  const measure = async (by: Cipher | undefined): Promise<Sample> => {
    await admin.flushall();
    const before = await usedBytes(admin);
    const started = process.cpuUsage();
    const phasesPerSecond = await batonPhasesPerSecond({ url: redis.url, runs, cipher: by });
    const { user, system } = process.cpuUsage(started);
    const bytes = ((await usedBytes(admin)) - before) / runs;
    return { phasesPerSecond, bytes, cpuUs: (user + system) / (runs * PHASES) };
  };
  const rounds: { readonly sealed: Sample; readonly clear: Sample }[] = [];
  // The first round warms up and is not counted; who goes first changes from round to round.
  for (let round = 0; round <= ROUNDS; round += 1) {
    const first = await measure(round % 2 === 0 ? cipher : undefined);
    const second = await measure(round % 2 === 0 ? undefined : cipher);
    const pair = round % 2 === 0 ? { sealed: first, clear: second } : { sealed: second, clear: first };
    if (round > 0) rounds.push(pair);
    const numbers = [pair.sealed, pair.clear].map(({ phasesPerSecond }) => Math.round(phasesPerSecond));
    say(
      `encryption, round ${round === 0 ? "(warm-up)" : round}: with keys, in clear: ${numbers.join(", ")} a second`,
    );
  }
  admin.disconnect();
  const ratio = (of: keyof Sample) => median(rounds.map(({ sealed, clear }) => sealed[of] / clear[of]));
  const added = median(rounds.map(({ sealed, clear }) => sealed.cpuUs - clear.cpuUs));
  return [
    {
      name: "phases with keys",
      value: median(rounds.map(({ sealed }) => sealed.phasesPerSecond)),
      unit: "1/s",
    },
    {
      name: "phases in clear",
      value: median(rounds.map(({ clear }) => clear.phasesPerSecond)),
      unit: "1/s",
    },
    { name: "phases with keys against in clear", value: ratio("phasesPerSecond"), unit: "×" },
    { name: "processor time that keys add to a phase", value: added, unit: "µs" },
    { name: "memory of Redis with keys against in clear", value: ratio("bytes"), unit: "×" },
  ];
}

async function usedBytes(redis: Redis): Promise<number> {
  return Number(/^used_memory_dataset:(\d+)/m.exec(await redis.info("memory"))?.[1]);
}
