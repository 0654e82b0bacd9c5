import { BatonError } from "@baton/core";
import { expect, test } from "vitest";
import { problemOf } from "../problem.ts";

test.each([
  ["OOM command not allowed when used memory > 'maxmemory'.", "redis_full"],
  ["LOADING Redis is loading the dataset in memory", "redis_unreachable"],
  ["READONLY You can't write against a read only replica.", "redis_unreachable"],
  ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "redis_unreachable"],
  ["NOREPLICAS Not enough good replicas to write.", "redis_unreachable"],
  ["MISCONF Errors writing to the AOF file: No space left on device", "redis_unreachable"],
  ["CLUSTERDOWN Hash slot not served", "redis_unreachable"],
  ["Connection is closed.", "redis_unreachable"],
  ["NOAUTH HELLO must be called with the client already authenticated", "redis_unreachable"],
  ["WRONGPASS invalid username-password pair or user is disabled.", "redis_unreachable"],
  ["NOPERM User baton has no permissions to run the 'evalsha' command", "redis_unreachable"],
])("what Redis says by %s is answered 503 with %s", (message, code) => {
  const { status, body, retryAfter, isFault } = problemOf(new Error(message));
  expect({ status, code: body.error.code, isFault }).toEqual({ status: 503, code, isFault: false });
  expect(retryAfter).toBeGreaterThan(0);
  expect(body.error.message).not.toContain(message);
});

test("a Redis that cannot write to its disk is not said to be silent", () => {
  const { body } = problemOf(new Error("MISCONF Errors writing to the AOF file: No space left on device"));
  expect(body.error.message).toContain("cannot write to its disk");
});

test("what is a fault stays one", () => {
  expect(problemOf(new Error("ERR wrong number of arguments"))).toMatchObject({ status: 500, isFault: true });
  expect(problemOf(new BatonError("not_found", "OOM is no run")).status).toBe(404);
});
