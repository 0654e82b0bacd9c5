import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { until } from "../../../test/support/until.ts";
import { reconcilerKeys } from "./keys.ts";
import { LEASE_MS, Leader } from "./leader.ts";
import { defineScripts } from "./scripts.ts";

const redis = useRedis();

const candidate = (id: string) => new Leader(defineScripts(redis.connect()), id);

test("of many processes that ask at once exactly one leads, and it stays the one while it renews", async () => {
  const candidates = Array.from({ length: 8 }, (_, count) => candidate(`p${count}`));
  const first = await Promise.all(candidates.map((one) => one.hold()));
  expect(first.filter(({ leads }) => leads)).toHaveLength(1);
  const again = await Promise.all(candidates.map((one) => one.hold()));
  expect(again.map(({ leads }) => leads)).toEqual(first.map(({ leads }) => leads));
});

test("the lease is renewed with each turn", async () => {
  const connection = redis.connect();
  const leader = candidate("one");
  await leader.hold();
  await connection.pexpire(reconcilerKeys(0).leader, 500);
  await leader.hold();
  expect(await connection.pttl(reconcilerKeys(0).leader)).toBeGreaterThan(LEASE_MS - 500);
});

test("when a leader is lost another one leads at the end of its lease, and the lost one follows when it wakes up", async () => {
  const [lost, next] = [candidate("lost"), candidate("next")];
  expect(await lost.hold()).toMatchObject({ leads: true });
  expect(await next.hold()).toMatchObject({ leads: false });
  await redis.connect().pexpire(reconcilerKeys(0).leader, 20);
  await until(async () => (await next.hold()).leads, { what: "the next leader" });
  expect(await lost.hold()).toMatchObject({ leads: false });
  // It had the lead once and gives back what is not its own any more: nothing happens.
  await lost.release();
  expect(await next.hold()).toMatchObject({ leads: true });
  expect(await lost.hold()).toMatchObject({ leads: false });
});

test("a lead that is given back is free at once; one that a follower gives back is not", async () => {
  const [one, two] = [candidate("one"), candidate("two")];
  await one.hold();
  await two.hold();
  await two.release();
  expect(await two.hold()).toMatchObject({ leads: false });
  await one.release();
  expect(await two.hold()).toMatchObject({ leads: true });
});

test("the time that a turn is told is Redis' own", async () => {
  const [seconds, micros] = await redis.connect().time();
  const before = Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
  const { now } = await candidate("one").hold();
  expect(now).toBeGreaterThanOrEqual(before);
  expect(now).toBeLessThan(before + 5_000);
});
