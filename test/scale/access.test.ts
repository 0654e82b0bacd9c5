/** TLS with a certificate authority of one's own, and the smallest user that does everything: both at once. */
import { readFile } from "node:fs/promises";
import { modelIdSchema } from "@baton/core";
import { connectStore, readHealth } from "@baton/store";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RedisServer } from "../support/redis-server.ts";
import { scriptedModels } from "../support/scripted-model.ts";
import { type TempFolder, tempFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";
import { openRig } from "../support/worker-rig.ts";
import { type Certificates, makeCertificates } from "./certificates.ts";
import { documentedUser, refusedBy } from "./documented-user.ts";
import { expectDone, FIRST, PATTERNS, relay, submit } from "./relay.ts";

const SHARDS = 2;
let folder: TempFolder;
let files: Certificates;
let server: RedisServer;

beforeAll(async () => {
  folder = await tempFolder();
  files = await makeCertificates(folder.path);
  const { ca, cert, key } = files;
  const tls = { ca: await readFile(ca), cert: await readFile(cert), key: await readFile(key) };
  server = await RedisServer.start({
    portSetting: "tls-port",
    settings: ["port 0", `tls-cert-file ${cert}`, `tls-key-file ${key}`, `tls-ca-cert-file ${ca}`],
    client: { tls },
  });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const urlOf = (parameters: string, user = "baton:s3cret") =>
  `rediss://${user}@127.0.0.1:${server.port}?${parameters}`;
const open = (url: string) =>
  connectStore({ url, retentionMs: 60_000, onError: () => undefined, shards: SHARDS });

test("whole handoffs go over TLS, with the documented user and no right more", async () => {
  await server.client.call("ACL", "SETUSER", "baton", ...documentedUser("s3cret"));
  const url = urlOf(`ca=${files.ca}&cert=${files.cert}&key=${files.key}`);
  await using store = await open(url);
  expect(store.fitness).toMatchObject({ persistence: "aof", warnings: [] });
  await using rig = await openRig(url, {}, SHARDS);
  const models = scriptedModels(relay);
  await rig.startWorker({ adapters: models.adapters, patterns: PATTERNS });
  const ids = await Promise.all(
    Array.from({ length: 20 }, (_, line) =>
      submit(rig, "one", line % 2 === 0 ? {} : { batch: { id: "b", customId: `l${line}` } }),
    ),
  );
  await expectDone(rig, ids, AbortSignal.timeout(20_000));
  const id = await submit(rig, "once more", { idempotencyKey: "key" });
  await rig.producer.cancel(id).catch(() => undefined);
  await rig.ledger.list("succeeded", { limit: 10 });
  await rig.ledger.hold(modelIdSchema.parse(FIRST), { kind: "paused" });
  await rig.ledger.release(modelIdSchema.parse(FIRST));
  await until(async () => (await readHealth(rig.ledger.redis, { shards: SHARDS })).lastPass !== undefined, {
    what: "a pass of the reconciler in each shard",
  });
  // Whatever was refused stands in Redis' own log; CONFIG is asked for, and done without.
  expect([...new Set(await refusedBy(server.client))]).toEqual(["config|get"]);
  const user = await open(url);
  await expect(user.connection.set("other:key", "1")).rejects.toThrow(/NOPERM/);
  await expect(user.connection.flushall()).rejects.toThrow(/NOPERM/);
  await user[Symbol.asyncDispose]();
}, 40_000);

test("a server whose certificate nobody vouches for is not spoken to", async () => {
  const pair = `cert=${files.cert}&key=${files.key}`;
  await expect(open(urlOf(pair))).rejects.toMatchObject({
    code: "redis_unreachable",
    cause: { message: expect.stringMatching(/certificate/i) },
  });
  await expect(open(urlOf(`${pair}&ca=${files.ca}&servername=other.example`))).rejects.toMatchObject({
    code: "redis_unreachable",
    cause: { message: expect.stringMatching(/altnames|other\.example/i) },
  });
  await expect(open(urlOf(`${pair}&ca=${files.ca}`, "baton:wrong"))).rejects.toMatchObject({
    message: expect.stringMatching(/does not take the user or password/),
  });
});
