/** Connecting phrases, for any subject: none says anything about the matter itself. */
import type { Cue } from "./passages.ts";

type Choice<T = string> = readonly [T, ...T[]];

/** Before a passage, by what it has to offer. */
export const TURNS: Readonly<Record<Cue, Choice>> = {
  limit: ["There is another side to it.", "Not everything is so simple.", "A word of caution belongs here."],
  reason: [
    "The reasons are part of the story.",
    "Cause and effect lie close together.",
    "One thing leads to another.",
  ],
  today: ["And today?", "The story runs on into our own time.", "What has become of it since?"],
  figure: ["Some figures give the scale.", "A few numbers help.", "Numbers make it concrete."],
  plain: ["There is more to tell.", "One step further.", "Look a little closer."],
};

/** When the text moves from one source to the next; `§` stands for the title in quotation marks. */
export const NEXT_SOURCE: Choice = [
  "A second account, §, takes it from there.",
  "§ picks up the thread.",
  "The rest of the picture comes from §.",
  "To go on, one has to open §.",
];

/** Before words that are quoted; `§` stands for the title. */
export const QUOTES: Choice = [
  "In the words of §:",
  "§ puts it like this:",
  "One sentence of § deserves to be quoted:",
  "Or, as § has it:",
];

export const OPENINGS: Choice = [
  "Start with what is plain.",
  "First the facts that carry the rest.",
  "",
  "The beginning is the best place to start.",
];

export const CLOSINGS: Choice = [
  "That is as far as the sources go.",
  "So much for what the sources say; the rest would be guessing.",
  "More could be told, but not from these sources.",
  "Here the sources end, and so does this text.",
];

export const QUESTIONS: Readonly<Record<Cue, Choice>> = {
  limit: ["Is there a catch?", "What should one be careful with?", "What complicates the picture?"],
  reason: ["What lies behind it?", "Why is that?", "What are the reasons?"],
  today: ["And where do things stand now?", "What of today?", "What came of it?"],
  figure: ["Can that be put into numbers?", "What are the figures?", "How much is that?"],
  plain: ["What else should one know?", "Can you go on from there?", "What more is there to say?"],
};

/** When the answers move from one source to the next. */
export const NEXT_QUESTIONS: Choice = [
  "What does § add?",
  "And what is in §?",
  "What does one learn from §?",
];
