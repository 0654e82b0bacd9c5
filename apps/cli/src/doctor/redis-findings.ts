/** What is well and what is not with a Redis, from what it says of itself. Pure. */
import { duration } from "../terminal.ts";
import { type Finding, fail, ok, type Status, warn } from "./check.ts";
import type { RedisFacts } from "./redis-facts.ts";

const VERSION_MAJOR_MIN = 7;
const MEMORY_SHARE_WARN = 0.8;
const MEMORY_SHARE_FAIL = 0.95;
const FRAGMENTATION_WARN = 1.5;
/** A small Redis is always fragmented: its own code counts too. */
const FRAGMENTATION_BYTES_MIN = 256 * 1_024 ** 2;
const LATENCY_MS_WARN = 10;
const SKEW_MS_WARN = 1_000;
const SKEW_MS_FAIL = 30_000;

export function redisFindings(facts: RedisFacts): readonly Finding[] {
  const findings = [
    versionFinding(facts),
    ...loadingFindings(facts),
    roleFinding(facts),
    ...persistenceFindings(facts),
    evictionFinding(facts),
    ...memoryFindings(facts),
    clientsFinding(facts),
    latencyFinding(facts),
    clockFinding(facts),
  ];
  const { refusal } = facts;
  const isTold = findings.some(({ name, status }) => status === "fail" && REFUSALS.has(name));
  if (refusal === undefined || isTold) return findings;
  return [...findings, fail("fitness", refusal, "every other command refuses this Redis")];
}

/** The lines that say the same as the check at the start of every other command. */
const REFUSALS: ReadonlySet<string> = new Set(["version", "eviction"]);

function versionFinding({ info }: RedisFacts): Finding {
  const valkey = info.get("valkey_version");
  const compatible = info.get("redis_version") ?? "unknown";
  const found = valkey === undefined ? `Redis ${compatible}` : `Valkey ${valkey}`;
  const major = Number.parseInt(compatible, 10);
  if (major >= VERSION_MAJOR_MIN) return ok("version", found);
  return fail("version", `${found} is too old`, `use Redis ${VERSION_MAJOR_MIN} or Valkey, or newer`);
}

function loadingFindings({ info }: RedisFacts): readonly Finding[] {
  if (info.get("loading") !== "1") return [];
  const eta = info.get("loading_eta_seconds");
  const left = eta === undefined ? "" : `, about ${eta} s to go`;
  return [fail("loading", `Redis reads its data from disk${left}`, "wait: nothing moves until it is done")];
}

function roleFinding({ info }: RedisFacts): Finding {
  if (info.get("role") !== "slave") return ok("role", "primary");
  const primary = `${info.get("master_host") ?? "?"}:${info.get("master_port") ?? "?"}`;
  return fail("role", `a replica of ${primary}`, `set BATON_REDIS_URL to the primary, ${primary}`);
}

function persistenceFindings({ info, appendfsync, save }: RedisFacts): readonly Finding[] {
  const isOn = info.get("aof_enabled") === "1";
  return [
    isOn ? aofFinding(appendfsync) : noAofFinding(save),
    ...writeFailure(info, "aof_last_write_status", "append-only file", "cannot be written"),
    ...writeFailure(info, "aof_last_bgrewrite_status", "rewrite", "of the append-only file failed"),
    ...writeFailure(info, "rdb_last_bgsave_status", "snapshot", "failed the last time"),
  ];
}

function aofFinding(appendfsync: string | undefined): Finding {
  const name = "persistence";
  switch (appendfsync) {
    case "always":
      return ok(name, "append-only file, appendfsync always: nothing acknowledged is lost");
    case "everysec":
      return ok(name, "append-only file, appendfsync everysec: a power loss takes the last second at most");
    case "no":
      return warn(
        name,
        "append-only file, appendfsync no: a power loss takes what the system had not written yet",
        "CONFIG SET appendfsync everysec",
      );
    default:
      return ok(name, "append-only file; how often it is synced is not told");
  }
}

function noAofFinding(save: string | undefined): Finding {
  const lost =
    save === ""
      ? "nothing is kept on disk: a restart of Redis loses every run"
      : "snapshots alone: a crash of Redis loses what came after the last one";
  return warn("persistence", lost, "CONFIG SET appendonly yes, and the same in redis.conf");
}

function writeFailure(
  info: RedisFacts["info"],
  field: string,
  name: string,
  what: string,
): readonly Finding[] {
  if (info.get(field) !== "err") return [];
  return [fail(name, `${what} (${field})`, "look at Redis' disk: is it full, may Redis write to it?")];
}

function evictionFinding({ info }: RedisFacts): Finding {
  const policy = info.get("maxmemory_policy") ?? "noeviction";
  if (policy === "noeviction") return ok("eviction", policy);
  return fail(
    "eviction",
    `${policy}: Redis drops runs when its memory is full, so all other commands refuse it`,
    "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf",
  );
}

function memoryFindings({ info }: RedisFacts): readonly Finding[] {
  const number = (name: string): number => Number(info.get(name) ?? 0);
  // Buffers of replicas and of the append-only file do not count towards the limit.
  const used = number("used_memory") - number("mem_not_counted_for_evict");
  const maxmemory = number("maxmemory");
  const limit = maxmemory > 0 ? maxmemory : number("total_system_memory");
  const of = maxmemory > 0 ? "maxmemory" : "this machine's memory; no maxmemory is set";
  const share = limit > 0 ? used / limit : 0;
  const found = `${bytes(used)} used, ${percent(share)} of ${bytes(limit)} (${of})`;
  const advice = "raise maxmemory or add memory, or keep ended runs for a shorter time (retention)";
  const status = above(share, MEMORY_SHARE_WARN, MEMORY_SHARE_FAIL);
  const memory = limit === 0 ? ok("memory", `${bytes(used)} used`) : finding("memory", status, found, advice);
  const ratio = number("mem_fragmentation_ratio");
  if (ratio < FRAGMENTATION_WARN || number("used_memory") < FRAGMENTATION_BYTES_MIN) return [memory];
  const fragmented = `${bytes(number("used_memory_rss"))} held for it (ratio ${ratio})`;
  return [memory, warn("fragmentation", fragmented, "CONFIG SET activedefrag yes, or restart Redis")];
}

function clientsFinding({ info }: RedisFacts): Finding {
  const connected = Number(info.get("connected_clients") ?? 0);
  const most = Number(info.get("maxclients") ?? 0);
  const found = most > 0 ? `${connected} of at most ${most}` : String(connected);
  const status = most > 0 ? above(connected / most, MEMORY_SHARE_WARN, MEMORY_SHARE_FAIL) : "ok";
  return finding("clients", status, found, "raise maxclients, or find out who keeps connections open");
}

function latencyFinding({ pingsMs }: RedisFacts): Finding {
  const sorted = [...pingsMs].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const found = `${median < 10 ? median.toFixed(1) : median.toFixed(0)} ms (median of ${sorted.length} round trips)`;
  const status = median > LATENCY_MS_WARN ? "warn" : "ok";
  return finding("latency", status, found, "run workers near Redis: each turn takes several trips to it");
}

function clockFinding({ skewMs }: RedisFacts): Finding {
  const off = Math.abs(skewMs);
  if (off <= SKEW_MS_WARN) return ok("clock", `${off.toFixed(0)} ms apart from this machine's`);
  const found = `${duration(off)} ${skewMs > 0 ? "ahead of" : "behind"} this machine's`;
  const advice = "synchronise both clocks (NTP): delays are made with the clients' clocks";
  return finding("clock", off > SKEW_MS_FAIL ? "fail" : "warn", found, advice);
}

function finding(name: string, status: Status, found: string, advice: string): Finding {
  return status === "ok" ? ok(name, found) : { name, status, found, advice };
}

function above(share: number, warnAt: number, failAt: number): Status {
  if (share > failAt) return "fail";
  return share > warnAt ? "warn" : "ok";
}

function percent(share: number): string {
  return share > 0 && share < 0.01 ? "under 1 %" : `${Math.round(share * 100)} %`;
}

function bytes(count: number): string {
  if (count < 1_024 ** 3) return `${(count / 1_024 ** 2).toFixed(1)} MB`;
  return `${(count / 1_024 ** 3).toFixed(1)} GB`;
}
