import { expect, test } from "vitest";
import { nearbyNames } from "./nearby-names.ts";

const names = ["read_file", "write_file", "list_directory", "web_search_exa", "echo"];

test.each([
  ["readfile", ["read_file"]],
  ["Read-File", ["read_file", "write_file"]],
  ["web_search", ["web_search_exa"]],
  ["exa.web_search_exa", ["web_search_exa"]],
  ["ecko", ["echo"]],
  ["zzzzzzzz", []],
])("%s may have meant %j", (wanted, near) => expect(nearbyNames(wanted, names)).toEqual(near));

test("a name of any length takes little time", () => {
  const start = performance.now();
  nearbyNames(
    "x".repeat(100_000),
    Array.from({ length: 1_000 }, (_, index) => `tool_${index}`.repeat(10)),
  );
  expect(performance.now() - start).toBeLessThan(2_000);
});
