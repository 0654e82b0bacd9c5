import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { openFailFastConnection } from "./connection.ts";

const redis = useRedis();

test("a password that the Redis does not take is told as that, and not shown (R9)", async () => {
  const admin = redis.connect();
  await admin.config("SET", "requirepass", "the-r1ght-one");
  // The file's server is emptied by connections without a password; this one is still let in.
  const path = redis.url;
  try {
    for (const url of [path, `${path}?password=a-wr0ng-one`]) {
      const error: unknown = await openFailFastConnection({ url }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        code: "redis_unreachable",
        message: expect.stringMatching(/does not take the user or password.*BATON_REDIS_URL/),
      });
      expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain("a-wr0ng-one");
    }
    const good = await openFailFastConnection({ url: `${path}?password=the-r1ght-one` });
    expect(await good.ping()).toBe("PONG");
    good.disconnect();
  } finally {
    await admin.config("SET", "requirepass", "");
  }
});

test("a server that takes the connection and says nothing is given up on", async () => {
  const silent = createServer();
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  // A server that listens on a port has an address with a port.
  const { port } = silent.address() as AddressInfo;
  await expect(openFailFastConnection({ url: `redis://127.0.0.1:${port}` })).rejects.toMatchObject({
    code: "redis_unreachable",
  });
  silent.close();
}, 15_000);
