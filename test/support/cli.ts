/** The `baton` command as a real process, with simulated models over the real wire protocols. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DEMO_PACE, DOCUMENT_SERVER_PATH, DOCUMENTS_PATH, startSimulatedModels } from "@baton/demo";
import { isAlive } from "../../packages/redis-embedded/src/process-mark.ts";
import { readRecord } from "../../packages/redis-embedded/src/record.ts";
import { type ScriptProcess, sendSignal, startScript } from "./processes.ts";
import { tempFolder } from "./temp-folder.ts";

const MAIN = fileURLToPath(new URL("../../apps/cli/src/main.ts", import.meta.url));

export interface CliRig extends AsyncDisposable {
  /** The working folder, with a `baton.config.json`. */
  readonly folder: string;
  readonly simulated: Awaited<ReturnType<typeof startSimulatedModels>>;
  start(args: readonly string[], env?: Readonly<Record<string, string | undefined>>): Promise<ScriptProcess>;
  /** Runs it to its end. */
  run(args: readonly string[], env?: Readonly<Record<string, string | undefined>>): Promise<CliResult>;
}

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `redisUrl` absent: the command finds a Redis by itself, as a stranger's would. `slow`: models write as fast as people read. */
export async function openCli(redisUrl: string | undefined, slow = false): Promise<CliRig> {
  const folder = await tempFolder();
  const simulated = await startSimulatedModels(slow ? { pace: DEMO_PACE } : {});
  const config = {
    providers: {
      openai: {
        api: "openai-responses",
        baseURL: simulated.openaiBaseURL,
        apiKeyEnv: "OPENAI_API_KEY",
        simulated: true,
      },
      anthropic: {
        api: "anthropic-messages",
        baseURL: simulated.anthropicBaseURL,
        apiKeyEnv: "ANTHROPIC_API_KEY",
        simulated: true,
      },
    },
    mcpServers: { documents: { command: process.execPath, args: [DOCUMENT_SERVER_PATH, DOCUMENTS_PATH] } },
  };
  await writeFile(join(folder.path, "baton.config.json"), JSON.stringify(config));
  const base = {
    BATON_REDIS_URL: redisUrl,
    BATON_DATA_DIR: undefined,
    BATON_CONFIG: undefined,
    OPENAI_BASE_URL: undefined,
    ANTHROPIC_BASE_URL: undefined,
    XAI_API_KEY: undefined,
    OPENAI_API_KEY: "simulated",
    ANTHROPIC_API_KEY: "simulated",
  };
  const start: CliRig["start"] = (args, env) =>
    startScript(MAIN, { args, cwd: folder.path, env: { ...base, ...env } });
  return {
    folder: folder.path,
    simulated,
    start,
    async run(args, env) {
      await using child = await start(args, env);
      const { code } = await child.end(60_000);
      return { code, stdout: child.stdout, stderr: child.stderr };
    },
    async [Symbol.asyncDispose]() {
      await simulated.close();
      await stopLeftRedis(folder.path);
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** A command that was killed leaves the Redis of its folder running, for the next one to find; here there is none. */
async function stopLeftRedis(folder: string): Promise<void> {
  const record = await readRecord(join(folder, ".baton", "redis", "server.json"));
  if (record?.server.kind !== "process") return;
  const { process } = record.server;
  if (await isAlive(process)) sendSignal(process.pid, "SIGKILL");
}
