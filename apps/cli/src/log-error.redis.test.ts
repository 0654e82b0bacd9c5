/** What the log says of a command that Redis refused. */
import { Redis } from "ioredis";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { workerLog } from "./worker-log.ts";

const redis = useRedis();

test("is the error, its cause and where it was, and none of the command's arguments", async () => {
  const client = new Redis(redis.url);
  try {
    await client.set("text", "a");
    const refused = await client.lpush("text", "what a model said").catch((error: unknown) => error);
    // Otherwise nothing here is tested.
    expect(JSON.stringify(refused)).toContain("what a model said");
    const lines: string[] = [];
    const log = workerLog({ logLevel: "info" }, "info", { write: (line) => lines.push(line) });
    log.warn({ err: refused, error: refused }, "refused");
    log.warn({ err: new Error("outer", { cause: refused }) }, "wrapped");
    log.warn({ err: new AggregateError([refused], "many") }, "many");
    log.warn(refused, "bare");
    expect(lines).toHaveLength(4);
    for (const line of lines) expect(line).toContain("WRONGTYPE");
    expect(lines.join("")).toContain("log-error.redis.test.ts");
    expect(lines.join("")).not.toContain("what a model said");
  } finally {
    client.disconnect();
  }
});
