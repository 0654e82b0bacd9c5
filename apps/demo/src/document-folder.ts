/**
 * A folder of markdown documents, read once and indexed for search. Each file opens with front matter that has
 * a `title` and a `source`; its name without `.md` is its id.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { BatonError } from "@baton/core";
import MiniSearch from "minisearch";
import type { Document, SearchHit } from "./document.ts";
import { paragraphsOf, sentencesOf, termOf, termsOf } from "./words.ts";

const FILES_MAX = 1_000;
const FILE_BYTES_MAX = 1_000_000;

export interface DocumentFolder {
  readonly ids: readonly string[];
  /** The best hits first; none when no word of the query occurs. */
  search(query: string, limit: number): readonly SearchHit[];
  read(id: string): Document | undefined;
}

/** Reads all `.md` files of `folder`; throws `invalid_config` with the name of the file that is wrong. */
export async function openDocumentFolder(folder: string): Promise<DocumentFolder> {
  const names = (await listFolder(folder)).filter((name) => name.endsWith(".md")).sort();
  if (names.length === 0) throw new BatonError("invalid_config", `${folder} holds no .md document`);
  if (names.length > FILES_MAX) {
    throw new BatonError("invalid_config", `${folder} holds ${names.length} documents, at most ${FILES_MAX}`);
  }
  const documents = new Map<string, Document>();
  for (const name of names) {
    const document = await readDocument(folder, name);
    documents.set(document.id, document);
  }
  const index = new MiniSearch<Document>({
    fields: ["title", "text"],
    processTerm: (word) => termOf(word) ?? null,
    searchOptions: { boost: { title: 3 }, prefix: (term) => term.length > 3 },
  });
  index.addAll([...documents.values()]);
  return {
    ids: [...documents.keys()],
    read: (id) => documents.get(id),
    search: (query, limit) =>
      index
        .search(query)
        .slice(0, limit)
        .flatMap((result) => {
          const document = documents.get(String(result.id));
          if (document === undefined) return [];
          const { id, title } = document;
          const score = Math.round(result.score * 100) / 100;
          return [{ id, title, snippet: snippetOf(document, new Set(result.terms)), score }];
        }),
  };
}

async function listFolder(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    throw new BatonError("invalid_config", `cannot read the document folder ${folder}`, { cause });
  }
}

async function readDocument(folder: string, name: string): Promise<Document> {
  const path = join(folder, name);
  const { size } = await stat(path);
  if (size > FILE_BYTES_MAX) {
    throw new BatonError("invalid_config", `${path} has ${size} bytes, at most ${FILE_BYTES_MAX}`);
  }
  return parseDocument(name.slice(0, -".md".length), await readFile(path, "utf8"));
}

/** Splits front matter and body; throws `invalid_config` when a part is missing. */
export function parseDocument(id: string, content: string): Document {
  const parts = /^---\r?\n(?<head>.*?)\r?\n---\r?\n(?<body>.*)$/s.exec(content)?.groups;
  const field = (key: string) =>
    new RegExp(`^${key}:[ \\t]*(\\S.*?)[ \\t\\r]*$`, "m").exec(parts?.head ?? "")?.[1];
  const title = field("title");
  const source = field("source");
  const text = (parts?.body ?? "").trim();
  if (title === undefined || source === undefined || text === "") {
    throw new BatonError(
      "invalid_config",
      `document ${id}: front matter needs title and source, then a text`,
    );
  }
  return { id, title, source, text };
}

/** The sentence that holds most of `terms`; the earlier one of two that tie. */
function snippetOf(document: Document, terms: ReadonlySet<string>): string {
  let best = { sentence: "", found: -1 };
  for (const sentence of paragraphsOf(document.text).flatMap(sentencesOf)) {
    const found = termsOf(sentence).intersection(terms).size;
    if (found > best.found) best = { sentence, found };
  }
  return best.sentence;
}
