/**
 * Loads the operator's configuration: `BATON_CONFIG`, else `baton.config.ts`, `.js` or `.json` in the working
 * folder, else the defaults. A module gives it as `export const config` or as its default export.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { BatonError, type Config, parseConfig } from "@baton/core";

/** Looked for in the working folder, in this order. */
export const CONFIG_NAMES = ["baton.config.ts", "baton.config.js", "baton.config.mjs", "baton.config.json"];

export async function loadConfig(configPath: string | undefined, folder: string): Promise<Config> {
  if (configPath !== undefined) {
    const path = resolve(folder, configPath);
    if (!existsSync(path)) {
      throw new BatonError("invalid_config", `BATON_CONFIG names ${configPath}, which does not exist`);
    }
    return parseConfig(await read(path), configPath);
  }
  const found = CONFIG_NAMES.map((name) => resolve(folder, name)).find((path) => existsSync(path));
  return found === undefined ? parseConfig({}, "the default") : parseConfig(await read(found), found);
}

async function read(path: string): Promise<unknown> {
  try {
    if (path.endsWith(".json")) return parseJson(path, await readFile(path, "utf8"));
    const module: unknown = await import(pathToFileURL(path).href);
    // A module namespace is an object; which names it exports is looked at, not assumed.
    const exported = module as { readonly config?: unknown; readonly default?: unknown };
    const config = exported.config ?? exported.default;
    if (config !== undefined) return config;
    throw new BatonError("invalid_config", `${path} exports no config: write \`export const config = …\``);
  } catch (error) {
    if (error instanceof BatonError) throw error;
    const why = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw new BatonError("invalid_config", `${path} cannot be loaded: ${why}`, { cause: error });
  }
}

/** The parser quotes what it stumbled on, which may be a secret (R9): only the place is told. */
function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const place = /at position (\d+)/.exec(error instanceof Error ? error.message : "")?.[1];
    const line = place === undefined ? "" : ` (line ${text.slice(0, Number(place)).split("\n").length})`;
    throw new BatonError("invalid_config", `${path} is not valid JSON${line}`);
  }
}
