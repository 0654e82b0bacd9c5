/** An assistant: the official MCP client, which submits a run with a key, waits for it and reads what came of it. */
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { CallToolResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import { type Job, SERVER } from "../../chaos/jobs.ts";
import { inputOf, modelsOf } from "../plan.ts";
import type { Asked } from "./patient.ts";
import { verdictOf } from "./verdict.ts";
import { type ClientWorld, keyOf, writeAccepted, writeAsked } from "./world.ts";

const runSchema = z.object({
  id: z.string(),
  status: z.string(),
  final_output: z.string().nullish(),
  error: z.object({ code: z.string() }).nullish(),
});
type RunNow = z.infer<typeof runSchema>;

const WAIT_SECONDS = 5;
/** Of one call: an answer that was lost with its API never comes. */
const CALL_MS_MAX = 20_000;
const TRIES_MAX = 20;
const PAUSE_MS = 500;
const ENDED = ["succeeded", "failed", "cancelled"];

export async function askMcp(job: Job, world: ClientWorld): Promise<Asked> {
  const client = new Client({ name: "chaos", version: "1" });
  const headers = { authorization: `Bearer ${world.key}` };
  try {
    await client.connect(
      new StreamableHTTPClientTransport(new URL(`${world.url}/mcp`), { requestInit: { headers } }),
    );
    const idempotencyKey = keyOf("mcp", job);
    writeAsked(world, job, idempotencyKey);
    let run = await call(client, "submit_run", {
      input: inputOf(job),
      instructions: job.spec.instructions,
      model: modelsOf(job),
      mcp_servers: [SERVER],
      metadata: { mark: job.mark },
      idempotency_key: idempotencyKey,
    });
    writeAccepted(world, job, { idempotencyKey, runId: run.id });
    while (!ENDED.includes(run.status)) {
      run = await call(client, "wait_run", { run_id: run.id, seconds: WAIT_SECONDS });
    }
    // Also of a run that was there already, whose submission tells no output.
    run = await call(client, "get_run", { run_id: run.id });
    if (run.status === "succeeded")
      return { runId: run.id, outcome: { kind: "text", text: run.final_output ?? "" } };
    const code = run.status === "cancelled" ? "cancelled" : (run.error?.code ?? "");
    return { runId: run.id, outcome: { kind: "refused", code } };
  } finally {
    await client.close();
  }
}

/** A call that failed for a moment is made again, as an assistant makes it: the server keeps nothing that would be lost. */
async function call(client: Client, name: string, args: Record<string, unknown>): Promise<RunNow> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await callOnce(client, name, args);
    } catch (error) {
      if (verdictOf(error).kind !== "again" || tries >= TRIES_MAX) throw error;
      await delay(PAUSE_MS);
    }
  }
}

async function callOnce(client: Client, name: string, args: Record<string, unknown>): Promise<RunNow> {
  const result = CallToolResultSchema.parse(
    await client.callTool({ name, arguments: args }, undefined, { timeout: CALL_MS_MAX }),
  );
  if (result.isError !== true) return runSchema.parse(result.structuredContent);
  const said = result.content.map((part) => (part.type === "text" ? part.text : "")).join(" ");
  if (/^(redis_unreachable|shutting_down)/.test(said)) throw new Error(`aborted by the API: ${said}`);
  throw new Error(`${name} was refused: ${said}`);
}
