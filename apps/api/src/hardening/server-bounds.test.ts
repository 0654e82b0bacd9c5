import { type ConfigInput, parseConfig } from "@baton/core";
import { fastify } from "fastify";
import { describe, expect, test } from "vitest";
import { appOptions } from "./server-bounds.ts";

const apiOf = (api: ConfigInput["api"]) => parseConfig({ api }, "the test's configuration").api;

/** What an app that is configured so takes for the caller's address. */
async function addressOf(trustProxy: NonNullable<ConfigInput["api"]>["trustProxy"], forwarded: string) {
  await using app = {
    server: fastify(appOptions(apiOf({ trustProxy }))),
    [Symbol.asyncDispose]: () => app.server.close(),
  };
  app.server.get("/", async (request) => request.ip);
  const headers = { "x-forwarded-for": forwarded };
  return (await app.server.inject({ url: "/", headers, remoteAddress: "10.0.0.9" })).body;
}

describe("the caller's address", () => {
  test("is the connection's, whatever a header says", async () => {
    expect(await addressOf(undefined, "1.2.3.4")).toBe("10.0.0.9");
  });

  test("is what the last proxy saw, when one is trusted, and not what the caller says before", async () => {
    expect(await addressOf(1, "6.6.6.6, 1.2.3.4")).toBe("1.2.3.4");
    expect(await addressOf(2, "6.6.6.6, 1.2.3.4, 10.0.0.8")).toBe("1.2.3.4");
    expect(await addressOf(["10.0.0.0/8"], "6.6.6.6, 1.2.3.4, 10.0.0.8")).toBe("1.2.3.4");
    expect(await addressOf(["192.168.0.0/16"], "1.2.3.4")).toBe("10.0.0.9");
  });
});

describe("refused in the configuration", () => {
  test.each<ConfigInput["api"]>([
    { cors: ["*"] },
    { cors: ["https://app.example.com/path"] },
    { cors: ["file:///"] },
    { hosts: ["https://a"] },
    { hosts: ["A.example"] },
    { trustProxy: 0 },
    { trustProxy: ["everybody"] },
    { trustProxy: [] },
    { bodyBytesMax: 0 },
  ])("%j", (api) => expect(() => apiOf(api)).toThrow("api."));
});
