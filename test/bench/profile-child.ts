/** What the profile looks at: chains of phases through one process, after some that warm it up. */
import { writeFile } from "node:fs/promises";
import { Session } from "node:inspector/promises";
import { Redis } from "ioredis";
import { batonPhasesPerSecond } from "./chain-baton.ts";

const INTERVAL_US = 200;

const [url = "", runs = "", file = ""] = process.argv.slice(2);
const admin = new Redis(url);
await batonPhasesPerSecond({ url, runs: Math.ceil(Number(runs) / 5) });
await admin.flushall();
await admin.config("RESETSTAT");
const before = await redisCpuMs();
const session = new Session();
session.connect();
await session.post("Profiler.enable");
await session.post("Profiler.setSamplingInterval", { interval: INTERVAL_US });
await session.post("Profiler.start");
const own = process.cpuUsage();
const phasesPerSecond = await batonPhasesPerSecond({ url, runs: Number(runs) });
const { user, system } = process.cpuUsage(own);
const { profile } = await session.post("Profiler.stop");
const redisMs = (await redisCpuMs()) - before;
const commands = await admin.info("commandstats");
await writeFile(
  file,
  JSON.stringify({ profile, phasesPerSecond, ownMs: (user + system) / 1_000, redisMs, commands }),
);
process.exit(0);

async function redisCpuMs(): Promise<number> {
  const info = await admin.info("cpu");
  const seconds = (name: string): number => Number(new RegExp(`${name}:([\\d.]+)`).exec(info)?.[1]);
  return (seconds("used_cpu_user_main_thread") + seconds("used_cpu_sys_main_thread")) * 1_000;
}
