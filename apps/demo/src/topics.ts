/**
 * The batch of the demo: one run for each topic. All hand over from a model that researches to one that
 * writes, and each asks for a text of its own kind.
 */
import type { RunSpecInput } from "@baton/core";

export const RESEARCH_MODEL = "openai/gpt-5.2";
export const WRITING_MODEL = "anthropic/claude-opus-4-5";
/** The slug of the document server in the demo's configuration. */
export const DOCUMENT_SERVER = "demo/documents";

export interface Topic {
  /** Unique in the batch; names the run's output file. */
  readonly id: string;
  readonly subject: string;
  readonly form: string;
}

export const TOPICS: readonly Topic[] = [
  {
    id: "transistor",
    subject: "the invention of the transistor: from germanium at Bell Labs to the silicon chip",
    form: "a timeline for a museum wall",
  },
  {
    id: "mrna-vaccines",
    subject: "how mRNA vaccines work, and the long road to them",
    form: "questions and answers for worried parents",
  },
  {
    id: "antikythera",
    subject: "the Antikythera mechanism: the wreck, the gears and what they computed",
    form: "a letter to a curious twelve-year-old",
  },
  {
    id: "coral-bleaching",
    subject: "coral bleaching: why corals bleach in warm water, and the mass bleaching events since 1998",
    form: "a briefing for a minister who has two minutes",
  },
  {
    id: "suez-canal",
    subject: "the Suez Canal: its construction and its crises",
    form: "a timeline for a shipping magazine",
  },
  {
    id: "unix-pipes",
    subject: "Unix pipes: where they came from, and how a pipe works inside the kernel",
    form: "an essay for programmers who use them daily without a thought",
  },
  {
    id: "webb-telescope",
    subject: "the James Webb Space Telescope: its mirror, its sunshield and its first results",
    form: "questions and answers for visitors of a planetarium",
  },
  {
    id: "haber-bosch",
    subject: "the Haber-Bosch process: how ammonia is made from air, and what fertiliser did to the world",
    form: "an essay that weighs the good against the harm",
  },
  {
    id: "container-shipping",
    subject: "the shipping container: its invention, and its effects on ports and trade",
    form: "a briefing for new employees of a port",
  },
  {
    id: "krakatoa",
    subject: "the eruption of Krakatoa in 1883, and how the world felt it",
    form: "a letter from a historian to a friend",
  },
  {
    id: "sourdough",
    subject: "sourdough: the microbes in a starter, and what fermentation does for bread",
    form: "questions and answers for people who are about to bake their first loaf",
  },
  {
    id: "public-keys",
    subject: "public-key cryptography: its invention, and its use today",
    form: "an essay for readers who fear mathematics",
  },
  {
    id: "great-wall",
    subject: "the Great Wall of China: how it was built, and the myths about it",
    form: "a briefing for tour guides",
  },
  {
    id: "tidal-power",
    subject: "tidal power: barrages, and turbines in the tidal stream",
    form: "an essay for the local paper of a fishing town",
  },
];

/** A topic as a run spec. */
export function specOf(topic: Topic): RunSpecInput {
  return {
    input: `Research ${topic.subject}. Then write ${topic.form}, of about 300 words, and name the sources.`,
    model: [RESEARCH_MODEL, WRITING_MODEL],
    mcp_servers: [DOCUMENT_SERVER],
    metadata: { demo: "research-and-write", topic: topic.id },
  };
}
