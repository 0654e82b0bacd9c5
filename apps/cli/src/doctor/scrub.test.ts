import { parseConfig } from "@baton/core";
import { expect, test } from "vitest";
import { createScrub, publicUrl } from "./scrub.ts";

test("values of variables that are named like credentials go, others stay", () => {
  const scrub = createScrub({ MY_TOKEN: "canary-1", HOME: "/home/me", SHORT_KEY: "ab" }, undefined);
  expect(scrub("canary-1 /home/me ab")).toBe("[redacted] /home/me ab");
});

test.each([
  ["redis://user:canary%2Fpw@host:1", "canary%2Fpw canary/pw"],
  ["https://host/x?api_key=canary-q", "canary-q"],
  ["user:canary-pw@host:6379", "canary-pw"],
  ["/run/redis.sock?password=canary-pw", "canary-pw"],
])("passwords inside of %s go, whatever the variable is called", (url, text) => {
  expect(createScrub({ WHERE: url }, undefined)(text)).not.toContain("canary");
});

test("a key goes by the name that the configuration gives, and what servers are given goes too", () => {
  const config = parseConfig(
    {
      providers: { a: { api: "openai-chat", apiKeyEnv: "PLAIN", headers: { "x-a": "canary-2" } } },
      mcpServers: {
        s: { command: "x", env: { FOLDER: "canary-3" } },
        h: { url: "https://host/mcp?token=canary-5", headers: { Authorization: "Bearer canary-4" } },
      },
    },
    "test",
  );
  const scrub = createScrub({ PLAIN: "canary-1" }, config);
  expect(scrub("canary-1 canary-2 canary-3 canary-4 canary-5")).not.toContain("canary");
});

test("a URL is shown without user, password and query", () => {
  expect(publicUrl("https://me:canary@host:8080/v1?key=canary")).toBe("https://host:8080/v1");
  expect(publicUrl("canary")).toBe("a URL that is none");
});
