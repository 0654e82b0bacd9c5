/**
 * A batch file goes to the API in one request, which checks it whole and then submits it. When the connection breaks, or the
 * server is not ready, the same file is sent again from its beginning: what is in stays in, and no line becomes a run twice.
 */
import type { RunId } from "@baton/core";
import { runIdSchema } from "@baton/core";
import { z } from "zod";
import type { BatchStatus } from "../batch/batch-status.ts";
import { batchOfWire, wireBatchSchema } from "../batch/batch-wire.ts";
import { answerOfAct } from "./act-lines.ts";
import { errorOf, parsed, RefusedError, type ServerClient } from "./server-client.ts";
import type { Query } from "./server-url.ts";

export interface BatchUpload {
  /** The file, from its beginning each time. */
  readonly read: () => AsyncIterable<Uint8Array>;
  readonly mediaType: "application/x-ndjson" | "text/csv";
  /** As `POST /v1/batches` takes it. */
  readonly query: Query;
  /** Fields of a run spec for lines that do not say them. */
  readonly defaults?: Readonly<Record<string, unknown>> | undefined;
  readonly onProgress?: ((so: UploadProgress) => void) | undefined;
}

export interface UploadProgress {
  readonly id: string;
  /** Lines that can be submitted. */
  readonly of: number;
  readonly created: number;
  readonly known: number;
  readonly conflicts: number;
}

export interface UploadedBadLine {
  readonly line: number;
  readonly customId?: string;
  readonly reason: string;
}

interface Told {
  /** Lines that are runs, or can be. */
  readonly runs: number;
  /** Lines that cannot be submitted, and the first hundred of them. */
  readonly invalid: number;
  readonly badLines: readonly UploadedBadLine[];
}

/** What became of the file. `refused`: nothing of it was submitted; `isCut`: it cannot be read to its end. */
export type UploadAnswer =
  | (Told & { readonly kind: "refused"; readonly isCut: boolean })
  | (Told & { readonly kind: "checked"; readonly id: string; readonly unserved: readonly string[] })
  | (Told & {
      readonly kind: "submitted";
      readonly batch: BatchStatus;
      readonly created: number;
      readonly known: number;
      readonly conflicts: number;
      /** The first hundred. */
      readonly conflictLines: readonly UploadedConflict[];
      readonly unserved: readonly string[];
    });

export interface UploadedConflict {
  readonly line: number;
  readonly customId: string;
  readonly runId: RunId;
}

const count = z.int().min(0);
const badLines = z.array(z.object({ line: z.int(), custom_id: z.string().optional(), reason: z.string() }));

const progressSchema = z.object({
  id: z.string(),
  of: count,
  created: count,
  known: count,
  conflicts: count,
});

const refusedSchema = z.object({
  runs: count,
  invalid: count,
  is_cut: z.boolean().default(false),
  bad_lines: badLines,
});

const checkedSchema = z.object({
  id: z.string(),
  runs: count,
  invalid: count,
  bad_lines: badLines,
  unserved_models: z.array(z.string()),
});

const submittedSchema = wireBatchSchema.extend({
  submission: z.object({
    created: count,
    known: count,
    conflicts: count,
    invalid: count,
    conflict_lines: z.array(z.object({ line: z.int(), custom_id: z.string(), run: runIdSchema })),
    bad_lines: badLines,
    unserved_models: z.array(z.string()),
  }),
});

/** Throws what the API refuses the request with, or the signal's reason. */
export async function uploadBatch(
  client: ServerClient,
  upload: BatchUpload,
  signal: AbortSignal,
): Promise<UploadAnswer> {
  const patience = client.patience();
  const { query, mediaType, read, onProgress } = upload;
  const onLine = (value: unknown): void => {
    patience.calm();
    const { data } = progressSchema.safeParse(value);
    if (data !== undefined) onProgress?.(data);
  };
  const headers = { "content-type": mediaType, "baton-defaults": headerOf(upload.defaults) };
  const request = { method: "POST", path: "/v1/batches", query, headers, stream: read } as const;
  for (;;) {
    try {
      const answer = await answerOfAct(client, request, onLine, signal);
      const isCheck = query.check === true;
      return isCheck
        ? checkedOf(parsed(checkedSchema, answer))
        : submittedOf(parsed(submittedSchema, answer));
    } catch (thrown) {
      const error = errorOf(thrown);
      const refused = error instanceof RefusedError ? refusedSchema.safeParse(error.details).data : undefined;
      if (refused !== undefined) {
        const { is_cut: isCut, bad_lines, ...counts } = refused;
        return { kind: "refused", ...counts, isCut, badLines: bad_lines.map(badLineOf) };
      }
      await patience.bear(error, signal);
    }
  }
}

/** JSON in a header: what is not ASCII is written as `\u…`, which means the same. */
function headerOf(defaults: BatchUpload["defaults"]): string | undefined {
  if (defaults === undefined || Object.keys(defaults).length === 0) return undefined;
  return JSON.stringify(defaults).replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function checkedOf({ id, runs, invalid, ...rest }: z.infer<typeof checkedSchema>): UploadAnswer {
  const { bad_lines, unserved_models: unserved } = rest;
  return { kind: "checked", id, runs, invalid, badLines: bad_lines.map(badLineOf), unserved };
}

function submittedOf({ submission, ...batch }: z.infer<typeof submittedSchema>): UploadAnswer {
  const { created, known, conflicts, invalid, conflict_lines, bad_lines, unserved_models } = submission;
  return {
    kind: "submitted",
    batch: batchOfWire(batch),
    ...{ runs: created + known + conflicts, created, known, conflicts, invalid },
    badLines: bad_lines.map(badLineOf),
    conflictLines: conflict_lines.map(({ line, custom_id: customId, run }) => ({
      line,
      customId,
      runId: run,
    })),
    unserved: unserved_models,
  };
}

function badLineOf({ line, custom_id, reason }: z.infer<typeof badLines>[number]): UploadedBadLine {
  return { line, ...(custom_id === undefined ? {} : { customId: custom_id }), reason };
}
