/** The flags of `baton batch submit`, as the producer takes them. */
import { readFile } from "node:fs/promises";
import { BatonError, type Budget } from "@baton/core";
import { checkBatchId, type ReadBatchOptions, type SpecDefaults } from "@baton/producer";
import { checkBatchWeight } from "@baton/store";
import { z } from "zod";

export interface BatchFlags {
  readonly format?: string;
  readonly template?: string;
  readonly id?: string;
  readonly weight?: number;
  readonly budgetTokens?: number;
  readonly budgetUsd?: number;
  readonly runAt?: string;
  readonly skipInvalid?: boolean;
  readonly invalid?: string;
  readonly check?: boolean;
  readonly lineBytesMax?: number;
  readonly json?: boolean;
  readonly model?: readonly string[];
  readonly mcp?: readonly string[];
  readonly tool?: readonly string[];
  readonly instructions?: string;
  readonly temperature?: number;
  readonly maxOutputTokens?: number;
  readonly effort?: string;
  readonly maxTurns?: number;
  readonly maxHandoffs?: number;
  readonly policy?: string;
  readonly fallback?: readonly string[];
  readonly spec?: string;
}

export interface ReadFlags {
  readonly reading: ReadBatchOptions;
  readonly opening: {
    readonly weight: number | undefined;
    readonly budget: Budget | undefined;
    readonly runAt: number | undefined;
  };
}

/** Throws `invalid_spec` for a flag that says nothing that can be done. */
export async function readBatchFlags(path: string, flags: BatchFlags): Promise<ReadFlags> {
  const { template, lineBytesMax, weight } = flags;
  const format = formatOf(path, flags);
  if (template !== undefined && format === "jsonl") {
    throw new BatonError("invalid_spec", "--template is for CSV: a line of JSON says its input itself");
  }
  if (flags.id !== undefined) checkBatchId(flags.id);
  if (weight !== undefined) checkBatchWeight(weight);
  const defaults = await defaultsOf(flags);
  return {
    reading: { format, template, defaults, lineBytesMax },
    opening: { weight, budget: budgetOf(flags), runAt: runAtOf(flags.runAt) },
  };
}

function formatOf(path: string, { format, template }: BatchFlags): "jsonl" | "csv" {
  if (format === "jsonl" || format === "csv") return format;
  if (format !== undefined) throw new BatonError("invalid_spec", `--format is jsonl or csv, not ${format}`);
  return template !== undefined || /\.csv$/i.test(path) ? "csv" : "jsonl";
}

async function defaultsOf(flags: BatchFlags): Promise<SpecDefaults> {
  const file = await fileSpec(flags.spec);
  const { model, mcp, tool, instructions, maxTurns, maxHandoffs, policy, fallback } = flags;
  const given = {
    ...{ model, mcp_servers: mcp, tools: tool, instructions, policy, fallback },
    ...{ max_turns: maxTurns, max_handoffs: maxHandoffs },
    settings: settingsOf(flags, file.settings),
  };
  const said = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...file, ...Object.fromEntries(said) };
}

function settingsOf({ temperature, maxOutputTokens, effort }: BatchFlags, base: unknown): unknown {
  const given = { temperature, max_output_tokens: maxOutputTokens, effort };
  const said = Object.entries(given).filter(([, value]) => value !== undefined);
  // What the file says is checked with the spec of each line.
  return said.length === 0 ? undefined : { ...(base as object | undefined), ...Object.fromEntries(said) };
}

async function fileSpec(path: string | undefined): Promise<Readonly<Record<string, unknown>>> {
  if (path === undefined) return {};
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    const why = error instanceof z.ZodError ? "it is not a JSON object" : String(error);
    throw new BatonError("invalid_spec", `the spec ${path} cannot be read: ${why}`, { cause: error });
  }
}

function budgetOf({ budgetTokens, budgetUsd }: BatchFlags): Budget | undefined {
  if (budgetTokens === undefined && budgetUsd === undefined) return undefined;
  return {
    ...(budgetTokens === undefined ? {} : { tokens: budgetTokens }),
    ...(budgetUsd === undefined ? {} : { usd: budgetUsd }),
  };
}

function runAtOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (z.iso.datetime({ offset: true }).safeParse(text).success) return Date.parse(text);
  throw new BatonError(
    "invalid_spec",
    `--run-at is a time with its zone, such as 2026-11-21T22:00:00Z, not ${text}`,
  );
}
