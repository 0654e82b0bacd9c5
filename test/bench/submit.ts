/**
 * Lines a second that one process submits, and how its memory grows over them. Flat means that it does not depend on
 * their number, so a tenth of the lines is submitted as well.
 */
import { join } from "node:path";
import { z } from "zod";
import { startScript } from "../support/processes.ts";
import { freshRedis } from "../support/redis.ts";
import { median, type Row, say } from "./rows.ts";

const ROUNDS = 3;
const LINES_PER_SECOND_MIN = 6_000;

const reportSchema = z.object({ linesPerSecond: z.number(), startMb: z.number(), peakMb: z.number() });

export async function submitSpeed(lines: number): Promise<readonly Row[]> {
  const few: number[] = [];
  const many: number[] = [];
  const speeds: number[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const short = await submitOnce(lines / 10);
    const long = await submitOnce(lines);
    few.push(short.peakMb - short.startMb);
    many.push(long.peakMb - long.startMb);
    speeds.push(long.linesPerSecond);
    say(`round ${round}: ${Math.round(long.linesPerSecond)} lines a second, ${long.peakMb.toFixed(0)} MB`);
  }
  const speed = median(speeds);
  const name = (count: number) => `${count.toLocaleString("en")} lines: memory grows by`;
  return [
    {
      name: "submitted lines",
      value: speed,
      unit: "1/s",
      bar: LINES_PER_SECOND_MIN,
      ok: speed >= LINES_PER_SECOND_MIN,
    },
    { name: name(lines / 10), value: median(few), unit: "MB" },
    { name: name(lines), value: median(many), unit: "MB" },
  ];
}

async function submitOnce(lines: number): Promise<z.infer<typeof reportSchema>> {
  await using redis = await freshRedis();
  const file = join(import.meta.dirname, "submit-child.ts");
  await using child = await startScript(file, { args: [redis.url, String(lines)] });
  const [report] = await child.line(/^\{.*\}$/, 300_000);
  return reportSchema.parse(JSON.parse(report));
}
