/** Puts the history of a chaos run together out of the files in its folder, so that it can be judged again later. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { itemSchema, runSchema, storedSpecSchema } from "@baton/core";
import { z } from "zod";
import { type FileName, readLines } from "./files.ts";
import type { Fault, History, Purchase, ToolRun } from "./history.ts";

const at = z.number();

const purchaseSchema = z.object({
  at,
  soldAt: z.number().optional(),
  api: z.enum(["openai-responses", "openai-chat", "anthropic-messages"]),
  model: z.string(),
  mark: z.string(),
  replies: z.int(),
  nonce: z.string(),
  fault: z.string().optional(),
  invalid: z.string().optional(),
  /** When the connection ended, the reply whole or not. */
  closedAt: z.number(),
  /** The number of the worker that asked. */
  worker: z.coerce.number(),
});
type Sale = z.infer<typeof purchaseSchema>;

const faultSchema = z.object({
  at,
  endedAt: z.number().optional(),
  kind: z.string(),
  target: z.string(),
  held: z.array(z.string()),
  losesWrites: z.boolean().optional(),
  survivedUntil: z.number().optional(),
  slots: z.array(z.int()),
  inFlightMax: z.int().optional(),
});

const submissionSchema = z.object({
  at,
  pid: z.int(),
  mark: z.string(),
  idempotencyKey: z.string(),
  did: z.enum(["asked", "accepted"]),
  runId: z.string().optional(),
});

const sampleSchema = z.object({
  at,
  runId: z.string(),
  epoch: z.int(),
  ticket: z.int(),
  status: z.string(),
  digests: z.array(z.string()),
});

const begunSchema = z.object({ id: z.string(), at, mark: z.string(), tool: z.string(), key: z.string() });
const endedSchema = z.object({ id: z.string(), endedAt: z.number() });
const actSchema = z.object({ at, mark: z.string(), did: z.enum(["cancel", "pause", "resume", "retry"]) });
const eventSchema = z.object({ runId: z.string(), id: z.string(), event: z.unknown() });
const textSchema = z.object({ where: z.string(), text: z.string() });
const runLineSchema = z.object({
  mark: z.string(),
  run: runSchema,
  spec: storedSpecSchema,
  items: z.array(itemSchema),
});
export const aboutSchema = z.object({
  seed: z.int(),
  startedAt: z.number(),
  endedAt: z.number(),
  secrets: z.array(z.string()),
});
const noteSchema = z.object({ at, note: z.string() });

export function readHistory(folder: string): History {
  const sales = linesOf(folder, "purchases", purchaseSchema);
  const [about] = linesOf(folder, "about", aboutSchema);
  if (about === undefined) throw new Error(`${folder} does not hold a finished chaos run`);
  return {
    ...about,
    submissions: linesOf(folder, "submissions", submissionSchema),
    purchases: sales.map(purchaseOf),
    toolRuns: toolRunsOf(folder),
    samples: linesOf(folder, "samples", sampleSchema),
    events: linesOf(folder, "events", eventSchema),
    faults: linesOf(folder, "faults", faultSchema)
      .map((fault) => faultOf(fault, sales))
      .sort((a, b) => a.at - b.at),
    acts: linesOf(folder, "acts", actSchema),
    runs: linesOf(folder, "runs", runLineSchema),
    texts: [...linesOf(folder, "texts", textSchema), ...logsOf(folder)],
  };
}

/** What the harness itself wondered at: a worker that ended by itself, an act that broke. */
export function readNotes(folder: string): readonly string[] {
  return linesOf(folder, "notes", noteSchema).map(({ note }) => note);
}

function linesOf<Schema extends z.ZodType>(
  folder: string,
  name: FileName,
  schema: Schema,
): readonly z.infer<Schema>[] {
  return readLines(folder, name).map((line) => schema.parse(line));
}

function purchaseOf({ closedAt: _, worker: __, ...purchase }: Sale): Purchase {
  return purchase;
}

function toolRunsOf(folder: string): readonly ToolRun[] {
  const lines = readLines(folder, "tool-runs");
  const ends = new Map(
    lines.flatMap((line) => {
      const ended = endedSchema.safeParse(line);
      return ended.success ? [[ended.data.id, ended.data.endedAt] as const] : [];
    }),
  );
  return lines.flatMap((line): ToolRun[] => {
    const begun = begunSchema.safeParse(line);
    if (!begun.success) return [];
    const { id, ...run } = begun.data;
    const endedAt = ends.get(id);
    return [endedAt === undefined ? run : { ...run, endedAt }];
  });
}

/** A reply is written a moment after it was sold, and a process hears of a fault a moment after it began. */
const SLACK_MS = 300;

function faultOf(
  { slots, inFlightMax, ...fault }: z.infer<typeof faultSchema>,
  sales: readonly Sale[],
): Fault {
  const from = (fault.survivedUntil ?? fault.at) - SLACK_MS;
  // A dead worker calls nobody; one that is cut off or frozen may still begin a call.
  const to = (fault.kind === "worker_killed" ? fault.at : (fault.endedAt ?? fault.at)) + SLACK_MS;
  const hit = sales.filter((sale) => slots.includes(sale.worker) && sale.at <= to && sale.closedAt >= from);
  return { ...fault, inFlight: slots.length > 0 ? hit.length : (inFlightMax ?? 0) };
}

/** What the workers logged. */
function logsOf(folder: string): History["texts"] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".log"))
    .map((name) => ({ where: name, text: readFileSync(join(folder, name), "utf8") }));
}
