/** What the processes of a chaos run are told: the simulated providers, which it starts, the tool server, the credentials. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ConfigInput } from "@baton/core";
import { startScript } from "../support/processes.ts";
import { SERVER } from "./jobs.ts";

/**
 * The variables of the workers; among them the credentials, which must be found nowhere. `providerArgs` go to the simulated
 * providers.
 */
export async function prepare(
  folder: string,
  secrets: Readonly<Record<string, string>>,
  ends: AsyncDisposableStack,
  providerArgs: readonly string[] = [],
): Promise<Readonly<Record<string, string | undefined>>> {
  const provider = ends.use(
    await startScript(join(import.meta.dirname, "provider-process.ts"), {
      args: ["--folder", folder, ...providerArgs],
    }),
  );
  const [, port] = await provider.line(/^ready (\d+)$/, 30_000);
  const config = join(folder, "baton.config.json");
  writeFileSync(config, JSON.stringify(configOf(`http://127.0.0.1:${port}`, folder), null, 2));
  const { PATH, HOME, TMPDIR } = process.env;
  return { PATH, HOME, TMPDIR, BATON_CONFIG: config, BATON_DATA_DIR: folder, BATON_LOG: "debug", ...secrets };
}

export function secretsOf(seed: number): Readonly<Record<string, string>> {
  return {
    OPENAI_API_KEY: `sk-chaos-openai-${seed}-4b7f0c19d2`,
    ANTHROPIC_API_KEY: `sk-ant-chaos-${seed}-9e51a7c3f8`,
    CHAOS_SERVER_TOKEN: `chaos-server-${seed}-c06d8e21b4`,
  };
}

function configOf(url: string, folder: string): ConfigInput {
  // Tells the providers who calls: the worker that is hit is known by its calls.
  const headers = { "x-chaos-worker": `\${CHAOS_WORKER}` };
  const common = { headers, simulated: true };
  return {
    providers: {
      openai: {
        api: "openai-responses",
        baseURL: `${url}/openai/v1`,
        apiKeyEnv: "OPENAI_API_KEY",
        ...common,
      },
      anthropic: {
        api: "anthropic-messages",
        baseURL: `${url}/anthropic`,
        apiKeyEnv: "ANTHROPIC_API_KEY",
        ...common,
      },
    },
    models: { "anthropic/claude-opus-4-5": { settings: { thinking: { budget_tokens: 1_024 } } } },
    mcpServers: {
      [SERVER]: {
        command: process.execPath,
        args: [join(import.meta.dirname, "tool-server.ts"), folder],
        env: { CHAOS_SERVER_TOKEN: `\${CHAOS_SERVER_TOKEN}` },
      },
    },
    // Runs are hit more often here than anywhere else, and are to live through it.
    limits: { modelIdleMs: 2_000, toolTimeoutMs: 10_000, takeoversMax: 50, modelAttemptsMax: 8 },
  };
}
