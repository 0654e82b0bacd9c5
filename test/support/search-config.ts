/** The configuration of a CLI rig with the document server in the place of the search servers that need a key. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DOCUMENT_SERVER_PATH, DOCUMENTS_PATH } from "@baton/demo";

/** Resolves with its path, for `BATON_CONFIG`. */
export async function simulatedSearch({ folder }: { readonly folder: string }): Promise<string> {
  const config: { mcpServers: Record<string, unknown> } = JSON.parse(
    await readFile(join(folder, "baton.config.json"), "utf8"),
  );
  const documents = { command: process.execPath, args: [DOCUMENT_SERVER_PATH, DOCUMENTS_PATH] };
  config.mcpServers = { "tsion/brave-search-mcp": documents, "tsion/exa": documents };
  const path = join(folder, "search.json");
  await writeFile(path, JSON.stringify(config));
  return path;
}
