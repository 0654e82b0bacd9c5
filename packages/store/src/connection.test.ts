import { expect, test } from "vitest";
import { describeUrl, openFailFastConnection } from "./connection.ts";

test.each([
  ["redis://localhost:6379", "redis://localhost:6379"],
  ["redis://:s3cret@localhost:6379/2", "redis://:***@localhost:6379/2"],
  ["rediss://alice:s3cret@db.example:6380", "rediss://alice:***@db.example:6380"],
  ["redis://db.example?password=s3cret&db=1", "redis://db.example?password=***&db=1"],
  ["redis://alice:s3c@ret@localhost:6379", "redis://alice:***@localhost:6379"],
  ["redis://alice@localhost:6379", "redis://alice@localhost:6379"],
  [":s3cret@localhost:6379", ":***@localhost:6379"],
  ["alice:s3cret@localhost:6379", "alice:***@localhost:6379"],
  ["//:s3cret@localhost", "//:***@localhost"],
  ["/run/redis/redis.sock", "/run/redis/redis.sock"],
  ["/run/redis/redis.sock?password=s3cret", "/run/redis/redis.sock?password=***"],
  ["localhost:6379", "localhost:6379"],
])("a URL is described without its password (R9): %s", (url, described) => {
  expect(describeUrl(url)).toBe(described);
});

test("a Redis that cannot be reached is named without its password, whole error included (R9)", async () => {
  const opening = openFailFastConnection({ url: "redis://:s3cret@127.0.0.1:1" });
  const error: unknown = await opening.catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "redis_unreachable", retry: "backoff" });
  expect(error).toMatchObject({ message: expect.stringContaining("redis://:***@127.0.0.1:1") });
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain("s3cret");
});
