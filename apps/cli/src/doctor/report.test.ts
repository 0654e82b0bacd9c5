import { expect, test } from "vitest";
import { type Check, fail, ok } from "./check.ts";
import { renderGroup, renderSummary } from "./report.ts";

const LOOK = { width: 50, style: (_format: unknown, text: string) => text };
const inGroup = (finding: Omit<Check, "group">): Check => ({ group: "redis", ...finding });

test("found and advice are wrapped under their column", () => {
  const checks = [
    inGroup(ok("version", "Redis 7")),
    inGroup(
      fail(
        "eviction",
        "allkeys-lru drops runs when the memory is full",
        "CONFIG SET maxmemory-policy noeviction",
      ),
    ),
  ];
  expect(renderGroup("redis", checks, LOOK)).toBe(
    [
      "Redis",
      "  ok    version         Redis 7",
      "  fail  eviction        allkeys-lru drops runs",
      "                        when the memory is full",
      "                        → CONFIG SET",
      "                          maxmemory-policy",
      "                          noeviction",
      "",
      "",
    ].join("\n"),
  );
});

test("a long name has its own line, a long word is cut, and no control character comes through", () => {
  const checks = [inGroup(ok("tsion/brave-search-mcp", `\u001b[31m${"x".repeat(30)}\u0007`))];
  expect(renderGroup("tools", checks, LOOK)).toBe(
    `Tools\n  ok    tsion/brave-search-mcp\n${" ".repeat(24)}${"x".repeat(26)}\n${" ".repeat(24)}xxxx\n\n`,
  );
});

test("the summary counts", () => {
  expect(renderSummary([inGroup(ok("a", "")), inGroup(fail("b", "", ""))], LOOK)).toBe("1 ok, 1 failed\n");
});
