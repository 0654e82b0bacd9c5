/**
 * What a run takes in Redis, all of it: record, indexes, conversation and BullMQ's job, as the growth of `used_memory`
 * over many runs. The text of the run itself is taken off for a waiting run, and is most of a finished one.
 */
import { Redis } from "ioredis";
import { freshRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";
import { openBenchRig, openSubmitter, POOLS, textReply } from "./bench-rig.ts";
import { proseSource } from "./realistic-text.ts";
import { type Row, say } from "./rows.ts";

const INPUT_CHARS = 1_000;
const PHASES = 5;
/** With the input, 20 KB of text. */
const REPLY_CHARS = (20_000 - INPUT_CHARS) / PHASES;
/** The first runs make what all share: pools, queues, scripts, tables that grow by leaps. */
const FIRST_RUNS = 200;

export async function runBytes(runs: number): Promise<readonly Row[]> {
  const waiting = await waitingBytes(runs);
  const { ended, later } = await endedBytes(runs);
  const verdict = (value: number, bar: number) => ({ value, bar, ok: value <= bar });
  return [
    { name: "a waiting run beyond its input", unit: "B", ...verdict(waiting, 2_048) },
    { name: "an ended run of 20 KB of text, with events", unit: "B", value: ended },
    { name: "an ended run, after its hour of events", unit: "B", ...verdict(later, 10_240) },
  ];
}

async function waitingBytes(runs: number): Promise<number> {
  await using redis = await freshRedis();
  await using submitter = await openSubmitter(redis.url);
  const probe = new Redis(redis.url);
  const prose = proseSource(1);
  const submit = async (count: number): Promise<void> => {
    for (let done = 0; done < count; done += 1) {
      await submitter.producer.submit({ input: prose(INPUT_CHARS), model: [...POOLS] });
    }
  };
  try {
    await submit(FIRST_RUNS);
    const before = await usedMemory(probe);
    await submit(runs);
    const bytes = ((await usedMemory(probe)) - before) / runs;
    say(`a waiting run, its input of ${INPUT_CHARS} B among it: ${bytes.toFixed(0)} B`);
    await bytesByKind(probe, FIRST_RUNS + runs);
    return bytes - INPUT_CHARS;
  } finally {
    probe.disconnect();
  }
}

async function endedBytes(runs: number): Promise<{ readonly ended: number; readonly later: number }> {
  await using redis = await freshRedis();
  const probe = new Redis(redis.url);
  const prose = proseSource(2);
  const phases = Array.from({ length: PHASES }, (_, phase) => ({ model: POOLS[phase % 2] ?? POOLS[0] }));
  await using rig = await openBenchRig({
    url: redis.url,
    concurrency: 16,
    call: (request) => textReply(request, prose(REPLY_CHARS)),
  });
  const finish = async (count: number, total: number): Promise<void> => {
    for (let done = 0; done < count; done += 1)
      await rig.producer.submit({ input: prose(INPUT_CHARS), phases });
    await until(async () => (await rig.ledger.count("succeeded")) === total, {
      what: "all runs to succeed",
      withinMs: 120_000,
    });
  };
  try {
    await finish(FIRST_RUNS, FIRST_RUNS);
    const before = await usedMemory(probe);
    await finish(runs, FIRST_RUNS + runs);
    const after = await usedMemory(probe);
    const ended = (after - before) / runs;
    say(`an ended run: ${ended.toFixed(0)} B`);
    const { events } = await bytesByKind(probe, FIRST_RUNS + runs);
    return { ended, later: ended - events };
  } finally {
    probe.disconnect();
  }
}

/**
 * Says what the keys take, by their kind, for each of `runs`; what is left of the growth is Redis' own tables. Gives that of
 * the event streams.
 */
async function bytesByKind(probe: Redis, runs: number): Promise<{ readonly events: number }> {
  const kinds = new Map<string, number>();
  for await (const keys of probe.scanStream({ count: 1_000 })) {
    for (const key of keys) {
      const kind = String(key).replace(/r_[0-9A-Za-z]+_[0-9A-Za-z]+(-\d+)?/, "<run>");
      const bytes = Number(await probe.memory("USAGE", key, "SAMPLES", 0));
      kinds.set(kind, (kinds.get(kind) ?? 0) + bytes / runs);
    }
  }
  for (const [kind, bytes] of [...kinds].sort(([, a], [, b]) => b - a)) {
    if (bytes >= 1) say(`  ${kind}: ${bytes.toFixed(0)} B`);
  }
  return { events: [...kinds].find(([kind]) => kind.endsWith(":events"))?.[1] ?? 0 };
}

/** Without what connections and the append-only file have in their buffers at the moment. */
async function usedMemory(probe: Redis): Promise<number> {
  const text = await probe.info("memory");
  const field = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(text)?.[1]);
  return field("used_memory") - field("mem_clients_normal") - field("mem_aof_buffer");
}
