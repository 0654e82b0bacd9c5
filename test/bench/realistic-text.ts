/**
 * English prose for figures that depend on how well text packs: sentences of this repository's own documents, in an order
 * that a seed decides. No two texts of a seed repeat a sentence until all have been used.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");
const SENTENCE_CHARS_MIN = 40;

/** Gives texts of about `chars` characters, one behind the other. */
export function proseSource(seed: number): (chars: number) => string {
  const all = sentences();
  if (all.length === 0) throw new Error("no documents to take sentences from");
  let state = seed;
  const below = (limit: number): number => {
    // Numerical Recipes' linear congruential generator: good enough to shuffle with, and the same everywhere.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  let left: string[] = [];
  return (chars) => {
    let text = "";
    while (text.length < chars) {
      if (left.length === 0) left = [...all];
      text += `${left.splice(below(left.length), 1)[0]} `;
    }
    return text.slice(0, chars);
  };
}

let known: readonly string[] | undefined;

function sentences(): readonly string[] {
  known ??= documents()
    .flatMap((text) => text.replace(/```[\s\S]*?```|^[|#].*$/gm, "").split(/(?<=[.:;])\s+/))
    .map((sentence) => sentence.replace(/\s+/g, " ").trim())
    .filter((sentence) => sentence.length >= SENTENCE_CHARS_MIN);
  return known;
}

function documents(): readonly string[] {
  const docs = join(ROOT, "docs");
  const paths = readdirSync(docs, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".md"))
    .sort()
    .map((path) => join(docs, path));
  return [join(ROOT, "ARCHITECTURE.md"), join(ROOT, "README.md"), ...paths].map((path) =>
    readFileSync(path, "utf8"),
  );
}
