import { expect, test } from "vitest";
import { readTask, searchQueries } from "./task.ts";

test.each([
  ["Research tidal power, then write a letter.", "tidal power", "Write a letter."],
  ["Please research X: a, b and c. Then write an essay about Y.", "X: a, b and c", "Write an essay about Y."],
  ["Research the year 1.5 of Z and then tell me", "the year 1.5 of Z", "Tell me"],
  [
    "Write a short essay about the Great Wall.",
    "the Great Wall",
    "Write a short essay about the Great Wall.",
  ],
  ["Krakatoa", "Krakatoa", "Krakatoa"],
  ["", "", ""],
])("reads %j", (text, subject, request) => {
  expect(readTask(text)).toMatchObject({ subject, request });
});

test("searches for the whole subject, and for its second half together with what it is about", () => {
  const task = readTask(
    "Research the shipping container: its invention, and its effects on ports. Then write.",
  );
  expect(searchQueries(task)).toEqual([
    "shipping container invention effects ports",
    "container invention effects ports",
  ]);
});

test("a subject without halves is searched once, and one of empty words not at all", () => {
  expect(searchQueries(readTask("Research tidal power."))).toEqual(["tidal power"]);
  expect(searchQueries(readTask("Research this."))).toEqual([]);
});
