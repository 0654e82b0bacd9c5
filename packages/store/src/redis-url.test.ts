import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { describeUrl, parseRedisUrl } from "./redis-url.ts";

const folder = mkdtempSync(join(tmpdir(), "baton-url-"));
const pem = join(folder, "ca.pem");
writeFileSync(pem, "PEM");
afterAll(() => rmSync(folder, { recursive: true }));

const local = { host: "localhost", port: 6_379 };

test.each([
  ["redis://localhost", { kind: "single", at: local, db: 0, access: {} }],
  ["localhost:6379", { kind: "single", at: local, db: 0, access: {} }],
  ["6380", { kind: "single", at: { host: "127.0.0.1", port: 6_380 }, db: 0, access: {} }],
  ["redis://[::1]:7000/3", { kind: "single", at: { host: "::1", port: 7_000 }, db: 3, access: {} }],
  [
    "redis://alice:a%40b%2Fc@localhost?family=6",
    { kind: "single", at: local, db: 0, access: { username: "alice", password: "a@b/c", family: 6 } },
  ],
  [":s3c@ret@localhost", { kind: "single", at: local, db: 0, access: { password: "s3c@ret" } }],
  ["redis://localhost?password=x", { kind: "single", at: local, db: 0, access: { password: "x" } }],
  [
    "/run/redis.sock?password=x&db=2",
    { kind: "socket", path: "/run/redis.sock", db: 2, access: { password: "x" } },
  ],
  [
    "redis-cluster://bob:pw@h1:7001,h2",
    {
      kind: "cluster",
      nodes: [
        { host: "h1", port: 7_001 },
        { host: "h2", port: 6_379 },
      ],
      access: { username: "bob", password: "pw" },
    },
  ],
  [
    "redis-sentinel://:pw@h1,h2:5000/mymaster?sentinel_password=spw&db=1",
    {
      kind: "sentinel",
      sentinels: [
        { host: "h1", port: 26_379 },
        { host: "h2", port: 5_000 },
      ],
      name: "mymaster",
      db: 1,
      access: { password: "pw" },
      sentinelAccess: { password: "spw" },
    },
  ],
  ["rediss://localhost", { kind: "single", at: local, db: 0, access: { tls: {} } }],
  [
    `rediss-cluster://localhost?ca=${pem}`,
    { kind: "cluster", nodes: [local], access: { tls: { ca: "PEM" } } },
  ],
  [
    `rediss://localhost?ca=${pem}&cert=${pem}&key=${pem}&servername=db`,
    {
      kind: "single",
      at: local,
      db: 0,
      access: { tls: { ca: "PEM", cert: "PEM", key: "PEM", servername: "db" } },
    },
  ],
])("%s is read", (url, place) => {
  expect(parseRedisUrl(url)).toEqual(place);
});

describe("a mistake is named, without the password", () => {
  test.each([
    ["http://x:s3cret@localhost", /use redis:\/\//],
    ["redis://x:s3cret@h1,h2", /several hosts/],
    ["redis://x:s3cret@localhost:99999", /a host in it is no host:port/],
    ["redis://x:s3cret@localhost/abc", /number of a database/],
    ["redis://x:s3cret%@localhost", /%25/],
    ["redis-cluster://x:s3cret@h1/2", /no databases/],
    ["redis-sentinel://x:s3cret@h1", /name that the sentinels give/],
    [
      "redis://x:s3cret@localhost?rejectUnauthorized=false",
      /a parameter that is none of username, password, db,/,
    ],
    ["redis://localhost?password=ab&s3cret", /none of username/],
    ["redis://localhost?password=x@s3cret&db=a", /db has a value/],
    ["redis://:s3cret?b@localhost", /none of username/],
    ["redis://:s3cret", /no host:port/],
    ["redis://localhost?db=s3cret", /db has a value that it cannot have/],
    [`redis://x:s3cret@localhost?ca=${pem}`, /ca means TLS, and there is none without rediss/],
    [`/run/redis.sock?password=s3cret&ca=${pem}`, /over a unix socket/],
    [`rediss://x:s3cret@localhost?cert=${pem}`, /cert and key go together/],
    ["rediss://x:s3cret@localhost?ca=/no/such/file", /the file \/no\/such\/file cannot be read/],
  ])("%s", (url, why) => {
    const thrown = catchOf(() => parseRedisUrl(url));
    expect(thrown).toMatchObject({ code: "invalid_config", message: expect.stringMatching(why) });
    if (!url.includes("db=s3cret")) expect(String(thrown)).not.toContain("s3cret");
  });
});

test.each([
  ["redis://localhost:6379", "redis://localhost:6379"],
  ["redis://:s3cret@localhost:6379/2", "redis://:***@localhost:6379/2"],
  ["redis://:s3/cr?et@localhost", "redis://***"],
  ["redis://h:6379?pasword=s3@cret", "redis://***"],
  ["redis://h:6379/0?password=s3@cret", "redis://h:6379/0?password=***"],
  ["redis-sentinel://h/m?db=1&sentinel_password=s3@cret", "redis-sentinel://h/m?db=1&sentinel_password=***"],
  ["redis://h?password=s3#cret", "redis://h?password=***"],
  ["redis://h?password=s3&cret", "redis://h?password=***&***"],
  ["redis://:s3?cret@h?password=s3@cret", "redis://***"],
  ["/run/a:b@c.sock?password=s3@cret", "/run/a:b@c.sock?password=***"],
  ["redis-cluster://bob:s3cret@h1:7001,h2:7002", "redis-cluster://bob:***@h1:7001,h2:7002"],
  [
    "rediss-sentinel://:s3cret@h1/main?sentinel_password=s3cret",
    "rediss-sentinel://:***@h1/main?sentinel_password=***",
  ],
])("a URL is described without its password (R9): %s", (url, described) => {
  expect(describeUrl(url)).toBe(described);
});

function catchOf(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return error;
  }
}
