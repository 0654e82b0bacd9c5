import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tempFolder } from "../../../../test/support/temp-folder.ts";
import { findRedis, firstAnswer } from "./find-redis.ts";

/** Whatever listens there writes `reply` to who connects; empty: it says nothing. */
async function listen(reply: string) {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    if (reply !== "") socket.write(reply);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { port: address.port, [Symbol.asyncDispose]: async () => void server.close() };
}

test.each([
  ["+PONG\r\n", "answers"],
  ["-LOADING Redis is loading the dataset in memory\r\n", "loading"],
  ["-NOAUTH Authentication required.\r\n", "password"],
  ["HTTP/1.1 400 Bad Request\r\n", "silent"],
  ["", "silent"],
])("who says %j to the first PING: %s", async (reply, kind) => {
  await using server = await listen(reply);
  expect(await firstAnswer(`redis://127.0.0.1:${server.port}`, 200)).toMatchObject({ kind });
  expect(await firstAnswer(String(server.port), 200)).toMatchObject({ kind });
  expect(await firstAnswer(`127.0.0.1:${server.port}`, 200)).toMatchObject({ kind });
});

test("nobody there, and an address that is none, end at once", async () => {
  expect(await firstAnswer("redis://127.0.0.1:1", 5_000)).toEqual({ kind: "nobody", why: "ECONNREFUSED" });
  expect(await firstAnswer("/nowhere/redis.sock", 5_000)).toEqual({ kind: "nobody", why: "ENOENT" });
  expect(await firstAnswer("redis://:canary@[", 5_000)).toMatchObject({ kind: "nobody" });
});

test("the environment goes first; a record without a server behind it is no Redis, and neither is half a record", async () => {
  await using folder = await tempFolder();
  expect(await findRedis("redis://x", folder.path)).toEqual({ kind: "external", url: "redis://x" });
  expect(await findRedis(undefined, folder.path)).toEqual({ kind: "none" });
  await mkdir(join(folder.path, "redis"));
  const record = join(folder.path, "redis", "server.json");
  await writeFile(record, '{"v": 1, "url": ');
  expect(await findRedis(undefined, folder.path)).toEqual({ kind: "none" });
  await writeFile(record, JSON.stringify({ v: 1, url: join(folder.path, "gone.sock") }));
  expect(await findRedis(undefined, folder.path)).toEqual({ kind: "none" });
});
