import { expect, test } from "vitest";
import { checkRedis } from "./startup-check.ts";

/** What `checkRedis` needs of a connection; CONFIG is forbidden, as at managed services. */
function server(info: Readonly<Record<string, string>>) {
  const lines = Object.entries(info).map(([name, value]) => `${name}:${value}\r\n`);
  return {
    info: async () => `# Server\r\n${lines.join("")}`,
    config: async () => {
      throw new Error("ERR unknown command 'CONFIG'");
    },
  };
}

const FIT = { redis_version: "7.2.4", maxmemory_policy: "noeviction", aof_enabled: "1" };

test.each(["6.2.14", "5.0.7", "0"])("Redis %s is refused as too old", async (redis_version) => {
  await expect(checkRedis(server({ ...FIT, redis_version }))).rejects.toMatchObject({
    code: "redis_unfit",
    message: expect.stringContaining(redis_version),
  });
});

test.each(["7.0.0", "8.2.1", "10.0.0"])("Redis %s is new enough", async (redis_version) => {
  expect(await checkRedis(server({ ...FIT, redis_version }))).toMatchObject({ version: redis_version });
});

test("Valkey is taken by the Redis version that it stands for, and named by its own", async () => {
  const valkey = { ...FIT, valkey_version: "8.1.0" };
  expect(await checkRedis(server(valkey))).toMatchObject({ version: "8.1.0" });
  await expect(checkRedis(server({ ...valkey, redis_version: "6.9.9" }))).rejects.toMatchObject({
    code: "redis_unfit",
  });
});

test("where CONFIG is forbidden, what INFO says is enough", async () => {
  expect(await checkRedis(server(FIT))).toEqual({ version: "7.2.4", persistence: "aof", warnings: [] });
  expect(await checkRedis(server({ ...FIT, aof_enabled: "0" }))).toMatchObject({ persistence: "unknown" });
});

test("an append-only file that cannot be written is warned of", async () => {
  const failing = { ...FIT, aof_last_write_status: "err" };
  expect((await checkRedis(server(failing))).warnings).toEqual([expect.stringContaining("disk")]);
});
