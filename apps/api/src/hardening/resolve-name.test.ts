import { expect, test } from "vitest";
import { nameResolver } from "./resolve-name.ts";

const failed = (code: string) => Promise.reject(Object.assign(new Error(code), { code }));

test("name servers are believed; where they know of none the system is asked, which knows hosts and search lists", async () => {
  const asked: string[] = [];
  const resolve = nameResolver({
    servers: (name) => {
      if (name === "late.example.com") return [failed("ENOTFOUND"), failed("ETIMEOUT")];
      if (name === "six.example.com") return [failed("ENODATA"), Promise.resolve(["2606:4700::1"])];
      return [failed("ENOTFOUND"), failed("ENODATA")];
    },
    system: async (name) => {
      asked.push(name);
      return name === "redis.default" ? ["10.0.0.7"] : [];
    },
  });
  expect(await resolve("six.example.com")).toEqual(["2606:4700::1"]);
  // It would keep a thread for as long as the name server does not answer.
  expect(await resolve("late.example.com")).toEqual([]);
  expect(asked).toEqual([]);
  expect(await resolve("redis.default")).toEqual(["10.0.0.7"]);
  expect(await resolve("none.example.com")).toEqual([]);
});

test("the system is asked for two names at a time, and more than fifty that wait are refused", async () => {
  const gate = Promise.withResolvers<void>();
  let atWork = 0;
  let most = 0;
  const resolve = nameResolver({
    servers: () => [failed("ENOTFOUND")],
    system: async () => {
      atWork += 1;
      most = Math.max(most, atWork);
      await gate.promise;
      atWork -= 1;
      return [];
    },
  });
  const all = Array.from({ length: 60 }, (_, index) => resolve(`n${index}.example.com`));
  const settled = Promise.allSettled(all);
  gate.resolve();
  const outcomes = (await settled).map((one) => (one.status === "rejected" ? one.reason.code : "taken"));
  expect(most).toBe(2);
  expect(outcomes.filter((one) => one === "taken")).toHaveLength(52);
  expect(outcomes.filter((one) => one === "rate_limited")).toHaveLength(8);
});
