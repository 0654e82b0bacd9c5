import { parseRunSpec } from "@baton/core";
import { expect, test } from "vitest";
import { RESEARCH_MODEL, specOf, TOPICS, WRITING_MODEL } from "./topics.ts";

test("there are at least twelve topics, each with an id that can name a file", () => {
  expect(TOPICS.length).toBeGreaterThanOrEqual(12);
  expect(new Set(TOPICS.map((topic) => topic.id)).size).toBe(TOPICS.length);
  for (const { id } of TOPICS) expect(id).toMatch(/^[a-z0-9-]+$/);
});

test("no two topics ask for the same: their purchases could not be told apart", () => {
  expect(new Set(TOPICS.map((topic) => JSON.stringify(specOf(topic).input))).size).toBe(TOPICS.length);
});

test.each(TOPICS)("the spec of $id is valid and starts with the researcher", (topic) => {
  const spec = parseRunSpec(specOf(topic));
  expect(spec.model).toEqual([RESEARCH_MODEL, WRITING_MODEL]);
});
