import { expect, test } from "vitest";
import { openDocumentFolder } from "./document-folder.ts";
import { DOCUMENTS_PATH } from "./index.ts";
import { passagesOf, select, standsAlone, yearIn } from "./passages.ts";

test.each([
  ["It was found in 1901.", false],
  ["The other dial shows the Moon.", false],
  ["Rye bread depends on them, because the acid stops enzymes.", false],
  ["Tubes then burned out.", false],
  ["The claim was printed decades before.", false],
  ["The wall is long.", true],
  ["The chemist William Crookes warned in 1898.", true],
  ["The coast of Java was struck, but it recovered.", true],
  ["Bare RNA would be torn apart by enzymes.", true],
])("%j stands alone: %s", (sentence, alone) => {
  expect(standsAlone(sentence, new Set(["wall"]))).toBe(alone);
});

test.each([
  ["It opened in 1869 and closed in 1967.", 1869],
  ["After 221 BC it grew.", -221],
  ["It melts at 1,414 degrees and costs 1958.5 dollars.", undefined],
  ["No year here.", undefined],
])("the year in %j is %s", (text, year) => {
  expect(yearIn(text)).toBe(year);
});

test("passages are whole sentences of their document, in order, and none is used twice", async () => {
  const folder = await openDocumentFolder(DOCUMENTS_PATH);
  const documents = folder.ids.flatMap((id) => folder.read(id) ?? []);
  const passages = passagesOf(documents, "the history of the sea");
  expect(passages.length).toBeGreaterThan(3 * documents.length);
  const seen = new Map<number, number>();
  for (const passage of passages) {
    const text = documents[passage.document]?.text ?? "";
    for (const sentence of passage.sentences) {
      const at = text.indexOf(sentence);
      expect(at, sentence).toBeGreaterThan(seen.get(passage.document) ?? -1);
      seen.set(passage.document, at);
    }
  }
});

test("every document gets its share of a selection, with its own opening in front", async () => {
  const folder = await openDocumentFolder(DOCUMENTS_PATH);
  const documents = ["suez-construction", "suez-crises"].flatMap((id) => folder.read(id) ?? []);
  const chosen = select(passagesOf(documents, "the Suez Canal"), 200);
  for (const document of [0, 1]) {
    const own = chosen.filter((passage) => passage.document === document);
    const words = own.reduce((sum, passage) => sum + passage.words, 0);
    expect(own[0]?.place).toBe(0);
    expect(words).toBeGreaterThan(60);
    expect(words).toBeLessThan(140);
  }
});
