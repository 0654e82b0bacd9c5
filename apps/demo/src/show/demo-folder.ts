/**
 * The demo's folder: its Redis, its configuration, logs of its workers, and at the end its results. It is cleared
 * of an earlier demo only by the process that owns the Redis in it, so two demos cannot get in each other's way.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import process from "node:process";
import type { ConfigInput } from "@baton/core";
import { DOCUMENT_SERVER, DOCUMENT_SERVER_PATH, DOCUMENTS_PATH, type SimulatedModels } from "../index.ts";

export interface DemoFolder {
  /** Absolute; what `BATON_DATA_DIR` is for the demo. */
  readonly path: string;
  readonly configFile: string;
  readonly resultsFile: string;
  readonly textsFolder: string;
  logFile(worker: string): string;
}

/** `demo` in Baton's data folder. */
export function demoFolder(dataDir: string | undefined): DemoFolder {
  const path = resolve(dataDir === undefined || dataDir === "" ? ".baton" : dataDir, "demo");
  return {
    path,
    configFile: join(path, "baton.config.json"),
    resultsFile: join(path, "results.jsonl"),
    textsFolder: join(path, "texts"),
    logFile: (worker) => join(path, "logs", `${worker.replaceAll(" ", "-")}.log`),
  };
}

/** Removes what an earlier demo left, Redis excepted, and writes the configuration of this one. */
export async function prepareFolder(folder: DemoFolder, config: ConfigInput): Promise<void> {
  const logs = join(folder.path, "logs");
  for (const old of [folder.resultsFile, folder.textsFolder, logs]) {
    await rm(old, { recursive: true, force: true });
  }
  for (const made of [folder.textsFolder, logs]) await mkdir(made, { recursive: true });
  await writeFile(folder.configFile, `${JSON.stringify(config, null, 2)}\n`);
}

/**
 * What an operator would write: two providers and an MCP server. The base URLs are those of the simulated models
 * and no variable overrides them, so nothing can reach a real provider.
 */
export function demoConfig(models: SimulatedModels): ConfigInput {
  return {
    providers: {
      openai: {
        api: "openai-responses",
        baseURL: models.openaiBaseURL,
        apiKeyEnv: "OPENAI_API_KEY",
        simulated: true,
      },
      anthropic: {
        api: "anthropic-messages",
        baseURL: models.anthropicBaseURL,
        apiKeyEnv: "ANTHROPIC_API_KEY",
        simulated: true,
      },
    },
    mcpServers: {
      [DOCUMENT_SERVER]: { command: process.execPath, args: [DOCUMENT_SERVER_PATH, DOCUMENTS_PATH] },
    },
  };
}
