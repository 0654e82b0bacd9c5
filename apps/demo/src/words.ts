/**
 * Words and sentences of English text, for the search index and for the simulated models, so that a query and
 * the text that it should find are cut in the same way.
 */

const EMPTY_WORDS = new Set(
  `a about after all also an and any are as at be because been before being both but by came can come comes could
  did do does each even every few first for from get gets give given go goes had has have he her him his how i if in
  into is it its just know later least less like made main make makes many may me more most much must my no not now
  of off on once one only or other our out over own people same she should since so some still such than that the
  their them then there these they thing things this those through to today too two under up us use used very was way
  we well were what when where which while who whom whose why will with without work works would years yet you your`
    .split(/\s+/)
    .filter((word) => word !== ""),
);

/** The index form of a word: lower case, without accents and plural; undefined for words that carry no meaning. */
export function termOf(word: string): string | undefined {
  const plain = word.toLowerCase().normalize("NFD").replace(/\p{M}/gu, "");
  if (plain.length < 2 || EMPTY_WORDS.has(plain)) return undefined;
  if (plain.length > 4 && plain.endsWith("ies")) return `${plain.slice(0, -3)}y`;
  if (plain.length > 4 && /(?:x|ch|sh|ss)es$/.test(plain)) return plain.slice(0, -2);
  if (plain.length > 3 && plain.endsWith("s") && !/[siu]s$/.test(plain)) return plain.slice(0, -1);
  return plain;
}

/** The words of `text` that carry meaning, as written, each once. */
export function keywordsOf(text: string): string[] {
  const found = new Map<string, string>();
  for (const word of wordsOf(text)) {
    const term = termOf(word);
    if (term !== undefined && !found.has(term)) found.set(term, word);
  }
  return [...found.values()];
}

/** The index forms in `text`. */
export function termsOf(text: string): Set<string> {
  return new Set(wordsOf(text).flatMap((word) => termOf(word) ?? []));
}

export function wordsOf(text: string): string[] {
  return text.split(/[^\p{L}\p{N}]+/u).filter((word) => word !== "");
}

/** Words as a reader counts them: what stands between spaces. */
export function countWords(text: string): number {
  return text.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word)).length;
}

const segmenter = new Intl.Segmenter("en", { granularity: "sentence" });

export function sentencesOf(paragraph: string): string[] {
  return [...segmenter.segment(paragraph.replace(/\s+/g, " "))]
    .map((piece) => piece.segment.trim())
    .filter((sentence) => sentence !== "");
}

export function paragraphsOf(text: string): string[] {
  return text
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.trim())
    .filter((paragraph) => paragraph !== "");
}
