/** A page of the documentation, for tests that run what it says. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "..", "..");

export interface CodeBlock {
  readonly language: string;
  readonly text: string;
}

export interface DocPage {
  readonly text: string;
  /** In the order of the page. */
  readonly blocks: readonly CodeBlock[];
  blocksIn(language: string): readonly string[];
}

/** `path` is below the root of the repository. */
export async function readPage(path: string): Promise<DocPage> {
  const text = await readFile(join(ROOT, path), "utf8");
  const found = [...text.matchAll(/^```(\w*)\n(.*?)^```/gms)];
  const blocks = found.map(([, language = "", code = ""]) => ({ language, text: code }));
  return {
    text,
    blocks,
    blocksIn: (language) => blocks.filter((block) => block.language === language).map((block) => block.text),
  };
}

/** Links to other files, without their fragments. */
export function linksOf({ text }: DocPage): readonly string[] {
  return [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map((match) => match[1] ?? "");
}
