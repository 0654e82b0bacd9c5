/**
 * Cuts documents into passages that can stand on their own: one to three sentences of one paragraph, of which
 * the first does not lean on what stood before it ("It …", "The other …").
 */
import type { Document } from "./document.ts";
import { countWords, paragraphsOf, sentencesOf, termOf, termsOf } from "./words.ts";

/** What a passage has to offer beside its subject; a passage has the first one that fits. */
export type Cue = "limit" | "reason" | "today" | "figure" | "plain";

export interface Passage {
  /** Index of the document. */
  readonly document: number;
  /** Place among the passages of its document, from 0. */
  readonly place: number;
  readonly sentences: readonly string[];
  readonly text: string;
  readonly words: number;
  readonly cue: Cue;
  /** Fit to the subject; higher is better. */
  readonly score: number;
}

const PASSAGE_WORDS_MIN = 24;
const SENTENCES_MAX = 3;

/** Openings that point back. */
const LEANS_AT_START =
  /^(?:it|its|this|that|these|those|they|their|he|his|she|her|both|such|another|the (?:other|same|next|following|former|latter|two|rest|result|first|second|third|last|\w+ one)|but|and|or|so|then|there|here|some|most|all|one|neither|each)\b/i;
/** Words of the first nine that point back. */
const LEANS_EARLY = /^(?:\S+\s+){0,8}(?:also|then|therefore|however|instead|too|other)\b/i;
/** A pronoun in the first clause has nothing in its own sentence to stand for. */
const POINTS_BACK = /\b(?:it|he|she|they|him|them|this|these|those|such)\b/i;
const NEXT_CLAUSE =
  /[;:]|\b(?:but|because|so|that|which|who|whose|whom|where|when|if|since|although|though|until|while|as)\b/i;
/** "The claim was …": a thing already spoken of, unless a name or an "of" says which one. */
const DEFINITE = /^The (?<noun>[\p{Ll}-]+)(?![\p{Ll}-]| of\b)(?!(?:\s+\S+){0,4}\s+\p{Lu})/u;

/**
 * Whether a sentence can be read without the one before it: a guess by its wording, on the careful side.
 * `known` are the terms of the subject, which need no introduction.
 */
export function standsAlone(sentence: string, known: ReadonlySet<string>): boolean {
  if (LEANS_AT_START.test(sentence) || LEANS_EARLY.test(sentence)) return false;
  if (POINTS_BACK.test(sentence.split(NEXT_CLAUSE)[0] ?? "")) return false;
  const noun = termOf(DEFINITE.exec(sentence)?.groups?.noun ?? "");
  return noun === undefined || known.has(noun);
}

/** The passages of all documents, in order; a sentence that leans and has nothing to lean on is left out. */
export function passagesOf(documents: readonly Document[], subject: string): Passage[] {
  const terms = termsOf(subject);
  return documents.flatMap((document, index) =>
    paragraphsOf(document.text)
      .flatMap((paragraph, number) => cut(sentencesOf(paragraph), terms, number === 0))
      .map((sentences, place) => describe(sentences, { document: index, place, terms })),
  );
}

function cut(sentences: readonly string[], known: ReadonlySet<string>, opensDocument: boolean): string[][] {
  const groups: string[][] = [];
  let open: string[] | undefined;
  for (const [index, sentence] of sentences.entries()) {
    const alone = (opensDocument && index === 0) || standsAlone(sentence, known);
    const short = open !== undefined && countWords(open.join(" ")) < PASSAGE_WORDS_MIN;
    if (open !== undefined && open.length < SENTENCES_MAX && (short || !alone)) open.push(sentence);
    else if (alone) {
      open = [sentence];
      groups.push(open);
    } else open = undefined;
  }
  return groups;
}

function describe(
  sentences: readonly string[],
  of: { readonly document: number; readonly place: number; readonly terms: ReadonlySet<string> },
): Passage {
  const text = sentences.join(" ");
  // What its first sentence offers: a turn of phrase before the passage must fit the words that follow.
  const cue = cueOf(sentences[0] ?? "");
  const overlap = termsOf(text).intersection(of.terms).size;
  // The opening of a document says what it is about; a passage with a number or a reason says something.
  const score = overlap + (of.place === 0 ? 2 : 0) + (cue === "plain" ? 0 : 0.5);
  return { document: of.document, place: of.place, sentences, text, words: countWords(text), cue, score };
}

const CUES: readonly (readonly [Cue, RegExp])[] = [
  [
    "limit",
    /\b(?:obstacle|drawback|objection|limits|damage|brittle|debated|myth|false|danger|weak|cannot|safe)\b/i,
  ],
  ["reason", /\b(?:because|therefore|which is why|rests on)\b/i],
  ["today", /\b(?:today|nowadays|modern|20[12]\d)\b/i],
  [
    "figure",
    /\d (?:percent|million|billion|[a-z]*metres|tonnes|tons|dollars|pounds|degrees|times|bytes|[a-z]*watts)\b/i,
  ],
];

function cueOf(text: string): Cue {
  return CUES.find(([, pattern]) => pattern.test(text))?.[0] ?? "plain";
}

/**
 * The best passages, about `words` words of all documents together and as many of each, in the order of the
 * documents.
 */
export function select<P extends Passage>(passages: readonly P[], words: number): P[] {
  const documents = new Set(passages.map((passage) => passage.document));
  const share = words / documents.size;
  return [...documents].flatMap((document) => {
    const chosen: P[] = [];
    let total = 0;
    const own = passages.filter((passage) => passage.document === document);
    for (const passage of own.toSorted((a, b) => b.score - a.score)) {
      // The last one may go over by half of itself.
      if (total + passage.words / 2 > share) continue;
      chosen.push(passage);
      total += passage.words;
    }
    return chosen.sort((a, b) => a.place - b.place);
  });
}

/** The first year named in `text`; negative before Christ. */
export function yearIn(text: string): number | undefined {
  const match = /\b(?<before>\d{1,4}) BC\b|\b(?<year>1\d{3}|20[0-4]\d)\b(?![.,]\d)/.exec(text)?.groups;
  if (match?.before !== undefined) return -Number(match.before);
  return match?.year === undefined ? undefined : Number(match.year);
}
