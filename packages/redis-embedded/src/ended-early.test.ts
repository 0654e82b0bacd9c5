import { expect, test } from "vitest";
import { endedEarlyError } from "./ended-early.ts";

const server = { server: "redis-server", folder: "/data/redis", source: "redis.log" };

test("a server that could not load its data is unfit, whatever was printed behind its last words", () => {
  const output = [
    "7:M 21 Nov 2026 10:00:00.000 * RDB is base AOF",
    "7:M 21 Nov 2026 10:00:00.000 # Internal error in RDB reading offset 0 -> Unexpected EOF reading RDB file",
    "[offset 0] Checking RDB file appendonly.aof.2.base.rdb",
  ].join("\n");
  const error = endedEarlyError({ ...server, output, pid: 7 });
  expect(error.code).toBe("redis_unfit");
  expect(error.message).toContain("/data/redis");
  expect(error.message).toMatch(/redis\.log says: Internal error in RDB reading .+ RDB file$/);
});

test("the words of a server before it do not count", () => {
  const output = [
    "7:M 21 Nov 2026 10:00:00.000 # Bad file format reading the append only file appendonly.aof.1.incr.aof",
    "77:M 21 Nov 2026 11:00:00.000 # Failed opening Unix socket: bind: No such file or directory",
  ].join("\n");
  expect(endedEarlyError({ ...server, output, pid: 77 })).toMatchObject({
    code: "redis_unreachable",
    message:
      "redis-server ended before it was ready; redis.log says: Failed opening Unix socket: bind: No such file or directory",
  });
  expect(endedEarlyError({ ...server, output, pid: undefined }).code).toBe("redis_unreachable");
});

test("a server without a warning is quoted by its last line", () => {
  const output =
    "*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\n>>> 'appendonly maybe'\nargument must be 'yes' or 'no'\n";
  expect(endedEarlyError({ ...server, output, pid: 7 })).toMatchObject({
    code: "redis_unreachable",
    message: "redis-server ended before it was ready; redis.log says: argument must be 'yes' or 'no'",
  });
});
