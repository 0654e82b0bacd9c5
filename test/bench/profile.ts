/**
 * Where the time of a busy worker process goes: V8's sampling profiler over the chains of the throughput benchmark, as self
 * time by file, so that a library counts under its own name and not under who calls it; and what Redis does meanwhile.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { startScript } from "../support/processes.ts";
import { freshRedis } from "../support/redis.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { PHASES } from "./chain-baton.ts";
import type { Row } from "./rows.ts";

const PLACES = 25;
const COMMANDS = 12;

const profileSchema = z.object({
  phasesPerSecond: z.number(),
  ownMs: z.number(),
  redisMs: z.number(),
  /** As `INFO commandstats` tells them. */
  commands: z.string(),
  profile: z.object({
    nodes: z.array(
      z.object({
        id: z.number(),
        callFrame: z.object({ functionName: z.string(), url: z.string(), lineNumber: z.number() }),
      }),
    ),
    samples: z.array(z.number()),
    timeDeltas: z.array(z.number()),
  }),
});
type Profile = z.infer<typeof profileSchema>;

export interface ProfileOptions {
  readonly runs: number;
  /** By file, or by each function. */
  readonly by: "file" | "function";
}

/** The rows are microseconds a phase, the largest first. */
export async function profileWorker({ runs, by }: ProfileOptions): Promise<readonly Row[]> {
  await using redis = await freshRedis();
  await using folder = await tempFolder();
  const file = join(folder.path, "profile.json");
  await using child = await startScript(join(import.meta.dirname, "profile-child.ts"), {
    args: [redis.url, String(runs), file],
  });
  const { code } = await child.end(300_000);
  if (code !== 0) throw new Error(`the profiled process ended with ${code}: ${child.stderr}`);
  const profile = profileSchema.parse(JSON.parse(await readFile(file, "utf8")));
  const phases = runs * PHASES;
  return [
    { name: "phases a second, profiled", value: profile.phasesPerSecond, unit: "1/s" },
    { name: "process, all threads, a phase", value: (profile.ownMs * 1_000) / phases, unit: "µs" },
    { name: "Redis, main thread, a phase", value: (profile.redisMs * 1_000) / phases, unit: "µs" },
    ...selfTimes(profile, phases, by),
    ...commandTimes(profile.commands, phases),
  ];
}

function selfTimes({ profile }: Profile, phases: number, by: ProfileOptions["by"]): readonly Row[] {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
  const times = new Map<string, number>();
  for (const [index, id] of profile.samples.entries()) {
    const frame = frames.get(id);
    if (frame === undefined) continue;
    const place = placeOf(frame.url);
    const isWhole = by === "file" && place !== "";
    const name = isWhole ? place : `${place} ${frame.functionName}:${frame.lineNumber + 1}`.trim();
    times.set(name, (times.get(name) ?? 0) + (profile.timeDeltas[index] ?? 0));
  }
  return [...times]
    .sort(([, a], [, b]) => b - a)
    .slice(0, PLACES)
    .map(([place, us]) => ({ name: place, value: us / phases, unit: "µs" }));
}

/** A script's time holds the time of the commands that it calls. */
function commandTimes(text: string, phases: number): readonly Row[] {
  return [...text.matchAll(/^cmdstat_(\S+):calls=(\d+),usec=(\d+)/gm)]
    .map(([, name, calls, us]) => ({ name, calls: Number(calls) / phases, us: Number(us) / phases }))
    .sort((a, b) => b.us - a.us)
    .slice(0, COMMANDS)
    .map(({ name, calls, us }) => ({
      name: `Redis ${name}, ${calls.toFixed(2)} a phase`,
      value: us,
      unit: "µs",
    }));
}

/** The package and the file, without where they lie. */
function placeOf(url: string): string {
  const inModules = url.lastIndexOf("node_modules/");
  if (inModules >= 0) return url.slice(inModules + "node_modules/".length);
  return url.replace(/^file:.*\/(?=(packages|apps|test)\/)/, "");
}
