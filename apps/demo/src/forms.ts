/**
 * The forms that a text can take, chosen by the words of the request. Each form arranges passages of the
 * documents and marks where they come from with `[n]`, the document's number from 1.
 */
import type { Document } from "./document.ts";
import { type Passage, passagesOf, select, standsAlone, yearIn } from "./passages.ts";
import { CLOSINGS, NEXT_QUESTIONS, NEXT_SOURCE, OPENINGS, QUESTIONS, QUOTES, TURNS } from "./phrases.ts";
import type { Pick } from "./pick.ts";
import type { Task } from "./task.ts";
import { countWords, termsOf } from "./words.ts";

export interface Material {
  readonly task: Task;
  readonly title: string;
  readonly documents: readonly Document[];
  readonly pick: Pick;
}

type Form = (material: Material) => string;

const FORMS: readonly (readonly [RegExp, Form])[] = [
  [/\b(?:timeline|chronology|chronicle)\b/i, timeline],
  [/\b(?:questions?|q&a|interview|faq)\b/i, questionsAndAnswers],
  [/\b(?:briefing|brief|memo|bullet|key points|fact sheet)\b/i, briefing],
  [/\bletter\b/i, letter],
];

/** The form that the request asks for, an essay when it names none. */
export function formFor(request: string): Form {
  return FORMS.find(([words]) => words.test(request))?.[1] ?? essay;
}

function essay(material: Material): string {
  return [`# ${material.title}`, ...prose(material), material.pick(CLOSINGS)].join("\n\n");
}

function letter(material: Material): string {
  const about = material.task.headline;
  return [
    `# A letter about ${about}`,
    "Dear reader,",
    `You asked me about ${about}. Here is what I found.`,
    ...prose(material),
    "With good wishes,\nyour correspondent",
  ].join("\n\n");
}

function briefing(material: Material): string {
  const { quotes, passages } = withQuotes(material);
  const [lead, ...rest] = select(passages, 200);
  if (lead === undefined) return `# Briefing: ${material.task.headline}`;
  const section = (heading: string, points: readonly Passage[]) =>
    points.length === 0 ? [] : [`**${heading}**`, points.map((point) => `- ${cited(point)}`).join("\n")];
  return [
    `# Briefing: ${material.task.headline}`,
    `**In short.** ${cited(lead)}`,
    ...section(
      "What to know",
      rest.filter((passage) => passage.cue !== "limit"),
    ),
    ...section(
      "Handle with care",
      rest.filter((passage) => passage.cue === "limit"),
    ),
    ...bareQuotes(material, quotes),
  ].join("\n\n");
}

function timeline(material: Material): string {
  const { quotes, passages } = withQuotes(material);
  const dated = select(datedEntries(material, passages), 220).sort((a, b) => a.year - b.year);
  if (dated.length < 4) return essay(material);
  const left = passages.filter((passage) => dated.every((entry) => entry.sentences !== passage.sentences));
  const missing = 235 - dated.reduce((sum, entry) => sum + entry.words, 0);
  const lines = dated.map((entry) => {
    const label = entry.year < 0 ? `${-entry.year} BC` : String(entry.year);
    return `- **${label}** ${cited(entry)}`;
  });
  return [
    `# ${material.title}: a timeline`,
    lines.join("\n"),
    ...select(left, missing).map((passage) => `${material.pick(TURNS[passage.cue])} ${cited(passage)}`),
    ...bareQuotes(material, quotes),
  ].join("\n\n");
}

/** Single sentences that name a year, each with the traits of its passage. */
function datedEntries(material: Material, passages: readonly Passage[]) {
  const known = termsOf(material.task.subject);
  return passages.flatMap((passage) =>
    passage.sentences.flatMap((text, index) => {
      const year = yearIn(text);
      if (year === undefined || !(index === 0 || standsAlone(text, known))) return [];
      return [{ ...passage, text, words: countWords(text), year }];
    }),
  );
}

function questionsAndAnswers(material: Material): string {
  const { documents, pick, task } = material;
  const { quotes, passages } = withQuotes(material);
  const chosen = select(passages, 200);
  const first = /^(?:how|why|what|when|where|who)\b/i.test(task.headline)
    ? `Can you tell me, in short, ${task.headline}?`
    : `What is there to know about ${task.headline}?`;
  const answers = chosen.map((passage, index) => {
    if (index === 0) return `**${first}**\n${cited(passage)}`;
    const moved = passage.document !== (chosen[index - 1]?.document ?? 0);
    const question = moved
      ? withTitle(pick(NEXT_QUESTIONS), documents[passage.document])
      : pick(QUESTIONS[passage.cue]);
    return `**${question}**\n${cited(passage)}`;
  });
  const heading = `# ${material.title}, in questions and answers`;
  return [heading, ...answers, ...bareQuotes(material, quotes)].join("\n\n");
}

/** Paragraphs that go through the documents in order, with a turn of phrase where one fits, and quotations. */
function prose(material: Material): string[] {
  const { pick, documents } = material;
  const { quotes, passages } = withQuotes(material);
  const chosen = select(passages, 210);
  return documents.flatMap((document, index) => {
    const [first, ...rest] = chosen.filter((passage) => passage.document === index);
    if (first === undefined) return [];
    const opening = index === 0 ? pick(OPENINGS) : withTitle(pick(NEXT_SOURCE), document);
    const turning = rest.findIndex((passage) => passage.cue !== "plain");
    const turn = rest[turning];
    const after = turn === undefined ? [] : [paragraph(pick(TURNS[turn.cue]), rest.slice(turning))];
    const quote = quotes.find((found) => found.document === index);
    return [
      paragraph(opening, [first, ...(turn === undefined ? rest : rest.slice(0, turning))]),
      ...after,
      ...(quote === undefined
        ? []
        : [`${withTitle(pick(QUOTES), document)}\n> “${quote.text}” [${index + 1}]`]),
    ];
  });
}

/** All passages are of one document. */
function paragraph(opening: string, passages: readonly Passage[]): string {
  const mark = passages[0] === undefined ? "" : `[${passages[0].document + 1}]`;
  return [opening, ...passages.map((passage) => passage.text), mark].filter((part) => part !== "").join(" ");
}

interface Quote {
  readonly document: number;
  readonly text: string;
}

/**
 * One sentence to be quoted out of each of the first two documents, and the passages that are left. What opens
 * a document is not quoted, and a document of a few passages gives none away.
 */
function withQuotes(material: Material): { quotes: readonly Quote[]; passages: readonly Passage[] } {
  const all = passagesOf(material.documents, material.task.subject);
  const quoted = material.documents.slice(0, 2).flatMap((_, index) => {
    const own = all.filter((passage) => passage.document === index);
    const fit = own.filter((passage) => passage.place > 0 && isQuotable(passage.sentences[0] ?? ""));
    const [best, second] = fit.sort((a, b) => b.score - a.score);
    // The best one carries more as a passage of the text.
    return own.length < 4 ? [] : (second ?? best ?? []);
  });
  return {
    quotes: quoted.map(({ document, sentences: [text = ""] }) => ({ document, text })),
    passages: all.filter((passage) => !quoted.includes(passage)),
  };
}

function isQuotable(sentence: string): boolean {
  const words = countWords(sentence);
  return words >= 10 && words <= 40;
}

function bareQuotes(material: Material, quotes: readonly Quote[]): string[] {
  if (quotes.length === 0) return [];
  const lines = quotes.map(({ document, text }) => {
    const title = material.documents[document]?.title ?? "";
    return `> “${text}” (${title}) [${document + 1}]`;
  });
  return ["**In the sources' own words**", lines.join("\n>\n")];
}

function withTitle(phrase: string, document: Document | undefined): string {
  return phrase.replace("§", () => `“${document?.title ?? ""}”`);
}

function cited(passage: Passage): string {
  return `${passage.text} [${passage.document + 1}]`;
}
