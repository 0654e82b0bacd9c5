/**
 * `npm run soak [-- --runs 10000] [--json FILE]`: shows that nothing stays behind. Runs are submitted, worked and kept
 * for two seconds after their end; then the memory and the keys of Redis are compared with what they were before. What
 * is capped rather than empty (the feed, BullMQ's event streams) is filled first by runs that are not counted.
 */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { print, type Row, say } from "../bench/rows.ts";
import { freshRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";
import { openSoakRig, type SoakRig } from "./soak-rig.ts";

const RETENTION_MS = 2_000;
const WARM_UP_RUNS = 5_000;
/** Submitted and not yet ended at a time. */
const ALIVE = 200;
/** Of noise: the allocator's, and that of streams that are trimmed by whole nodes. */
const RATIO_MAX = 1.05;

const { values } = parseArgs({
  options: { runs: { type: "string", default: "10000" }, json: { type: "string" } },
});
const runs = Number(values.runs);

await using redis = await freshRedis();
const admin = new Redis(redis.url);
await using rig = await openSoakRig(redis.url, RETENTION_MS);
await work(rig, WARM_UP_RUNS);
const before = await atRest();
say(`before: ${before.bytes} bytes, ${before.keys} keys`);
const peak = await work(rig, runs);
const after = await atRest();
say(`after:  ${after.bytes} bytes, ${after.keys} keys`);
admin.disconnect();
const ratio = after.bytes / before.bytes;
const rows: readonly Row[] = [
  { name: "runs that came and went", value: runs, unit: "" },
  { name: "memory before", value: before.bytes, unit: "B" },
  { name: "memory at the most", value: peak, unit: "B" },
  { name: "memory after", value: after.bytes, unit: "B" },
  { name: "after against before", value: ratio, unit: "×", bar: RATIO_MAX, ok: ratio <= RATIO_MAX },
  { name: "keys before", value: before.keys, unit: "" },
  { name: "keys after", value: after.keys, unit: "", bar: before.keys, ok: after.keys <= before.keys },
];
print(rows, `runs kept for ${RETENTION_MS} ms after their end`);
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(rows, null, 2)}\n`);
if (rows.some(({ ok }) => ok === false)) process.exitCode = 1;

/** Works so many runs, a bounded number at a time; gives the most memory that was seen. */
async function work({ producer, ended }: SoakRig, count: number): Promise<number> {
  let most = 0;
  const already = ended();
  for (let submitted = 0; submitted < count; submitted += 1) {
    if (submitted % 1_000 === 0) {
      most = Math.max(most, await bytesUsed());
      say(`${submitted} of ${count} submitted`);
    }
    await until(() => already + submitted - ended() < ALIVE, { what: "runs to end", withinMs: 60_000 });
    await producer.submit(
      { input: `run ${submitted}`, model: ["soak/a", "soak/b"], metadata: { n: String(submitted) } },
      {
        batch: { id: `soak-${submitted % 7}`, customId: `${already}-${submitted}` },
        namespace: submitted % 2 === 0 ? `soak-${submitted % 3}` : undefined,
      },
    );
  }
  await until(() => ended() === already + count, { what: "the last run to end", withinMs: 60_000 });
  return Math.max(most, await bytesUsed());
}

/** Memory and keys once all runs have expired, and the indexes with them. */
async function atRest(): Promise<{ readonly bytes: number; readonly keys: number }> {
  await until(
    async () => (await admin.zcard("{baton}:status")) + (await admin.zcard("{baton}:expiries")) === 0,
    {
      what: "the indexes to be empty",
      withinMs: 120_000,
    },
  );
  await until(async () => (await admin.keys("{baton}:run:*")).length === 0, {
    what: "the runs' keys to be gone",
    withinMs: 60_000,
  });
  await admin.call("MEMORY", "PURGE");
  // BullMQ's mark of its last look for stalled jobs comes and goes within seconds.
  const keys = (await admin.keys("*")).filter((key) => !key.endsWith(":stalled-check"));
  return { bytes: await bytesUsed(), keys: keys.length };
}

/** Of the data set: what clients' buffers take comes and goes. */
async function bytesUsed(): Promise<number> {
  const info = await admin.info("memory");
  return Number(/^used_memory_dataset:(\d+)/m.exec(info)?.[1]);
}
