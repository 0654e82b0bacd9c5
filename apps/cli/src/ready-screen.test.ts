import { expect, test } from "vitest";
import { readyScreen } from "./ready-screen.ts";

const plain = { style: (_format: unknown, text: string) => text };

test("all that is served stands in one table, and nothing that is not", () => {
  const all = { what: "Baton", api: "http://a", models: ["x/*", "y/*"], redis: "r", metrics: "http://m" };
  expect(readyScreen(all, plain)).toBe(`Baton is ready.

  API      http://a
  Models   x/*, y/*
  Redis    r
  Metrics  http://m/metrics

Ctrl-C lets what is under way end, and stops; once more stops at once.

`);
  const text = readyScreen({ what: "The API", api: "http://a", redis: "r" }, plain);
  expect(text.split("\n").slice(0, 5)).toEqual([
    "The API is ready.",
    "",
    "  API    http://a",
    "  Redis  r",
    "",
  ]);
});
