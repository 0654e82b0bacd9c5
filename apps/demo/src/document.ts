/** What the document server hands out, and what the simulated models look for in tool results. */
import { z } from "zod";

export const documentSchema = z.object({
  id: z.string().describe("Give this to read_document."),
  title: z.string(),
  source: z.string().describe("What the text stems from."),
  text: z.string().describe("The whole text, paragraphs separated by blank lines."),
});
export type Document = z.infer<typeof documentSchema>;

export const searchHitSchema = z.object({
  id: z.string().describe("Give this to read_document."),
  title: z.string(),
  snippet: z.string().describe("The sentence that fits the query best."),
  score: z.number().describe("Higher fits better; comparable within one search only."),
});
export type SearchHit = z.infer<typeof searchHitSchema>;

export const searchResultSchema = z.object({ query: z.string(), hits: z.array(searchHitSchema) });
export type SearchResult = z.infer<typeof searchResultSchema>;
