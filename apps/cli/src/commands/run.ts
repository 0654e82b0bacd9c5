/** `baton run`: submits a run and follows it; where no worker on the same Redis serves its models, this process does. */
import { readFile } from "node:fs/promises";
import { text as readAll } from "node:stream/consumers";
import { BatonError, parseRunSpec, type RunId, type RunSpec } from "@baton/core";
import { type CommandContext, openCommand } from "../command-context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { followRun, sayUnserved } from "../follow-run.ts";
import { demandLook, unlessForbidden } from "../may-look.ts";

export interface RunFlags {
  readonly model?: readonly string[];
  readonly mcp?: readonly string[];
  readonly tool?: readonly string[];
  readonly instructions?: string;
  readonly maxTurns?: number;
  readonly maxHandoffs?: number;
  readonly timeout?: number;
  readonly policy?: string;
  readonly spec?: string;
  readonly fallback?: readonly string[];
  readonly budgetTokens?: number;
  readonly budgetUsd?: number;
  readonly batch?: string;
  readonly customId?: string;
  readonly idempotencyKey?: string;
  readonly detach?: boolean;
  readonly json?: boolean;
}

export async function run(input: string | undefined, flags: RunFlags): Promise<ExitCode> {
  const spec = parseRunSpec({ ...(await fileSpec(flags.spec)), ...flagSpec(input, flags) });
  await using context = await openCommand({ quiet: flags.json === true });
  if (context.at === "redis") {
    // Loaded here alone: it can serve models, and that loads much.
    const { demandKnown, demandRunnable } = await import("../local-worker.ts");
    await (flags.detach === true ? demandKnown : demandRunnable)(context, spec);
  }
  if (flags.detach !== true) await demandLook(context, "with --detach this one submits it and leaves");
  const { runId } = await context.runs.submit(spec, {
    idempotencyKey: flags.idempotencyKey,
    batch: batchOf(flags),
    // By OpenTelemetry's name for a context that is handed to a command.
    trace: context.environment.variables.TRACEPARENT,
  });
  if (flags.detach === true) {
    detached(context, runId, flags);
    // A key that only submits may not look; then there is no more to say than the run's id.
    await sayUnserved(context, runId, spec).catch(unlessForbidden);
    return EXIT.done;
  }
  try {
    return await followRun(context, runId, spec, { json: flags.json === true, after: "0-0" });
  } catch (error) {
    // The run is there, whatever keeps this process from seeing its end: its id must not be lost.
    context.terminal.err(`The run goes on without you: baton runs watch ${runId}\n`);
    throw error;
  }
}

function detached({ terminal }: CommandContext, runId: RunId, flags: RunFlags): void {
  terminal.out(flags.json === true ? `${JSON.stringify({ id: runId })}\n` : `${runId}\n`);
}

function batchOf({
  batch,
  customId,
}: RunFlags): { readonly id: string; readonly customId: string } | undefined {
  if (batch === undefined && customId === undefined) return undefined;
  if (batch !== undefined && customId !== undefined) return { id: batch, customId };
  throw new BatonError("invalid_spec", "a run of a batch has both: --batch and --custom-id");
}

function flagSpec(input: string | undefined, flags: RunFlags): Partial<Record<keyof RunSpec, unknown>> {
  return {
    ...(input === undefined ? {} : { input }),
    ...(flags.model === undefined ? {} : { model: flags.model }),
    ...(flags.mcp === undefined ? {} : { mcp_servers: flags.mcp }),
    ...(flags.tool === undefined ? {} : { tools: flags.tool }),
    ...(flags.instructions === undefined ? {} : { instructions: flags.instructions }),
    ...(flags.maxTurns === undefined ? {} : { max_turns: flags.maxTurns }),
    ...(flags.maxHandoffs === undefined ? {} : { max_handoffs: flags.maxHandoffs }),
    ...(flags.timeout === undefined ? {} : { timeout: flags.timeout }),
    ...(flags.fallback === undefined ? {} : { fallback: flags.fallback }),
    ...(flags.budgetTokens === undefined && flags.budgetUsd === undefined
      ? {}
      : { budget: { tokens: flags.budgetTokens, usd: flags.budgetUsd } }),
    ...(flags.policy === undefined ? {} : { policy: flags.policy }),
  };
}

async function fileSpec(path: string | undefined): Promise<Record<string, unknown>> {
  if (path === undefined) return {};
  try {
    const value: unknown = JSON.parse(
      path === "-" ? await readAll(process.stdin) : await readFile(path, "utf8"),
    );
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw new Error("it is not a JSON object");
    return { ...value };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new BatonError("invalid_spec", `the spec ${path} cannot be read: ${why}`, { cause: error });
  }
}
