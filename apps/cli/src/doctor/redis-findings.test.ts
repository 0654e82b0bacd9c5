import { describe, expect, test } from "vitest";
import { parseInfo, type RedisFacts } from "./redis-facts.ts";
import { redisFindings } from "./redis-findings.ts";

const GB = 1_024 ** 3;
const HEALTHY = {
  redis_version: "7.2.4",
  loading: 0,
  role: "master",
  aof_enabled: 1,
  aof_last_write_status: "ok",
  aof_last_bgrewrite_status: "ok",
  rdb_last_bgsave_status: "ok",
  maxmemory_policy: "noeviction",
  maxmemory: 0,
  total_system_memory: 8 * GB,
  used_memory: 1_000_000,
  mem_fragmentation_ratio: 9,
  connected_clients: 3,
  maxclients: 10_000,
};

function facts(
  info: Readonly<Record<string, string | number>> = {},
  more: Partial<Omit<RedisFacts, "info">> = {},
): RedisFacts {
  const text = Object.entries({ ...HEALTHY, ...info }).map(([name, value]) => `${name}:${value}\r\n`);
  return {
    info: parseInfo(`# Server\r\n${text.join("")}`),
    appendfsync: "everysec",
    save: "",
    pingsMs: [0.2, 90, 0.3, 0.1, 0.2],
    skewMs: 3,
    refusal: undefined,
    ...more,
  };
}

function line(name: string, given: RedisFacts) {
  return redisFindings(given).find((finding) => finding.name === name);
}

test("a healthy Redis has no line that is not ok", () => {
  expect(redisFindings(facts()).filter(({ status }) => status !== "ok")).toEqual([]);
});

describe("each of these is told", () => {
  test.each<[name: string, status: string, found: RegExp, given: RedisFacts]>([
    ["version", "fail", /Redis 6\.2\.1 is too old/, facts({ redis_version: "6.2.1" })],
    ["version", "ok", /Valkey 8\.1\.0/, facts({ valkey_version: "8.1.0" })],
    ["loading", "fail", /about 12 s to go/, facts({ loading: 1, loading_eta_seconds: 12 })],
    [
      "role",
      "fail",
      /replica of 10\.0\.0\.1:6379/,
      facts({ role: "slave", master_host: "10.0.0.1", master_port: 6379 }),
    ],
    ["persistence", "warn", /nothing is kept/, facts({ aof_enabled: 0 })],
    ["persistence", "warn", /snapshots alone/, facts({ aof_enabled: 0 }, { save: "3600 1" })],
    ["persistence", "warn", /snapshots alone/, facts({ aof_enabled: 0 }, { save: undefined })],
    ["persistence", "ok", /always/, facts({}, { appendfsync: "always" })],
    ["persistence", "ok", /last second/, facts()],
    ["persistence", "warn", /appendfsync no/, facts({}, { appendfsync: "no" })],
    ["persistence", "ok", /not told/, facts({}, { appendfsync: undefined })],
    ["append-only file", "fail", /cannot be written/, facts({ aof_last_write_status: "err" })],
    ["rewrite", "fail", /failed/, facts({ aof_last_bgrewrite_status: "err" })],
    ["snapshot", "fail", /failed/, facts({ rdb_last_bgsave_status: "err" })],
    ["eviction", "fail", /allkeys-lru/, facts({ maxmemory_policy: "allkeys-lru" })],
    [
      "memory",
      "ok",
      /512\.0 MB used, 50 % of 1\.0 GB \(maxmemory\)/,
      facts({ maxmemory: GB, used_memory: GB / 2 }),
    ],
    ["memory", "warn", /81 %/, facts({ maxmemory: GB, used_memory: 0.81 * GB })],
    ["memory", "fail", /96 %/, facts({ maxmemory: GB, used_memory: 0.96 * GB })],
    ["memory", "warn", /no maxmemory is set/, facts({ used_memory: 7 * GB })],
    [
      "memory",
      "ok",
      /70 %/,
      facts({ maxmemory: GB, used_memory: 0.96 * GB, mem_not_counted_for_evict: Math.round(0.26 * GB) }),
    ],
    [
      "fragmentation",
      "warn",
      /ratio 1\.8/,
      facts({ used_memory: GB, used_memory_rss: 1.8 * GB, mem_fragmentation_ratio: 1.8 }),
    ],
    ["clients", "warn", /90 of at most 100/, facts({ connected_clients: 90, maxclients: 100 })],
    ["clients", "fail", /99 of at most 100/, facts({ connected_clients: 99, maxclients: 100 })],
    ["latency", "ok", /0\.2 ms \(median of 5/, facts()],
    ["latency", "warn", /^40 ms/, facts({}, { pingsMs: [40, 41, 0.1] })],
    ["clock", "warn", /2\.5 s ahead of/, facts({}, { skewMs: 2_500 })],
    ["clock", "fail", /31\.0 s behind/, facts({}, { skewMs: -31_000 })],
    ["fitness", "fail", /modules are bad/, facts({}, { refusal: "modules are bad" })],
  ])("%s: %s, %s", (name, status, found, given) => {
    const told = line(name, given);
    expect(told).toMatchObject({ status, found: expect.stringMatching(found) });
    expect(told?.advice === undefined).toBe(status === "ok");
  });

  test("a refusal that another line explains is not told twice", () => {
    const given = facts({ maxmemory_policy: "allkeys-lru" }, { refusal: "evicts" });
    expect(line("fitness", given)).toBeUndefined();
  });
});
