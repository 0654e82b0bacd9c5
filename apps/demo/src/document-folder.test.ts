import { describe, expect, test } from "vitest";
import { openDocumentFolder, parseDocument } from "./document-folder.ts";
import { DOCUMENTS_PATH } from "./index.ts";
import { readTask, searchQueries } from "./task.ts";
import { specOf, TOPICS } from "./topics.ts";
import { countWords } from "./words.ts";

describe("the documents of the demo", async () => {
  const folder = await openDocumentFolder(DOCUMENTS_PATH);

  test.each(folder.ids.map((id) => ({ id, text: folder.read(id)?.text ?? "" })))(
    "$id is short, and has no quotation marks that would clash with a quotation of it",
    ({ text }) => {
      expect(countWords(text)).toBeGreaterThanOrEqual(150);
      expect(countWords(text)).toBeLessThanOrEqual(400);
      expect(text).not.toMatch(/["“”]/);
    },
  );

  test.each(TOPICS)("the search for $id brings two documents that no other topic has on top", (topic) => {
    const top = (of: typeof topic) => {
      const [query = ""] = searchQueries(readTask(String(specOf(of).input)));
      return folder.search(query, 2).map((hit) => hit.id);
    };
    expect(top(topic).length).toBe(2);
    const others = TOPICS.filter((other) => other !== topic).flatMap(top);
    expect(others.filter((id) => top(topic).includes(id))).toEqual([]);
  });
});

describe("parseDocument", () => {
  test("takes title and source out of the front matter, with either kind of line end", () => {
    const content = "---\r\ntitle: A: b\r\nsource: general knowledge\r\n---\r\n\r\nText.\r\n";
    expect(parseDocument("a", content)).toEqual({
      id: "a",
      title: "A: b",
      source: "general knowledge",
      text: "Text.",
    });
  });

  test.each([
    "Text.",
    "---\ntitle: A\n---\nText.",
    "---\ntitle: A\nsource: b\n---\n",
    "---\ntitle: A\nsource:\n---\nText.",
  ])("refuses %j", (content) => {
    expect(() => parseDocument("a", content)).toThrow("document a: front matter needs");
  });
});
