/**
 * A batch file of any size, read in flat memory: each line comes out as a run to submit or as what is wrong with it.
 * What is held is a line, and 24 to 48 bytes for each custom id (72 while the table of them grows), to tell which come twice.
 */
import type { RunSpec } from "@baton/core";
import { type BadLine, type BatchLine, bad, parseBatchLine, type SpecDefaults } from "./batch-line.ts";
import { LineSplitter } from "./line-splitter.ts";
import { SeenIds } from "./seen-ids.ts";

export interface ReadBatchOptions {
  readonly format?: "jsonl" | "csv" | undefined;
  /** For CSV: the input of each run, with `{{column}}` places. */
  readonly template?: string | undefined;
  readonly defaults?: SpecDefaults | undefined;
  readonly lineBytesMax?: number | undefined;
  /** What else is wrong with a spec, such as a model that nobody can call. */
  readonly check?: ((spec: RunSpec) => string | undefined | Promise<string | undefined>) | undefined;
}

export const LINE_BYTES_MAX = 1_048_576;

/** Lines in the order of the file; empty ones are left out. Throws `invalid_spec` for a template that does not fit. */
export async function* readBatchLines(
  source: AsyncIterable<Uint8Array>,
  options: ReadBatchOptions = {},
): AsyncGenerator<BatchLine | BadLine, void, void> {
  const { defaults = {}, lineBytesMax = LINE_BYTES_MAX, template, check } = options;
  const isCsv = (options.format ?? (template === undefined ? "jsonl" : "csv")) === "csv";
  const seen = new SeenIds();
  const lines = isCsv
    ? // Loaded here alone: most producers never see a CSV file.
      (await import("./csv-lines.ts")).readCsv(source, { template, defaults, lineBytesMax })
    : readJsonLines(source, defaults, lineBytesMax);
  for await (const line of lines) {
    if (line.kind === "bad") {
      yield line;
      continue;
    }
    const earlier = seen.add(line.customId, line.line);
    const twice = earlier === undefined ? undefined : `custom_id: line ${earlier} has the same one`;
    const reason = twice ?? check?.(line.spec);
    // Most checks know at once, and a promise for each of a million lines would be felt.
    const said = reason instanceof Promise ? await reason : reason;
    yield said === undefined ? line : bad(line.line, said, line.customId);
  }
}

async function* readJsonLines(
  source: AsyncIterable<Uint8Array>,
  defaults: SpecDefaults,
  lineBytesMax: number,
): AsyncGenerator<BatchLine | BadLine, void, void> {
  const splitter = new LineSplitter(lineBytesMax);
  for await (const chunk of source) {
    for (const raw of splitter.push(chunk)) {
      if (raw.kind === "bad") yield bad(raw.line, raw.reason);
      else if (raw.text.trim() !== "") yield parseBatchLine(raw.text, raw.line, defaults);
    }
  }
  for (const raw of splitter.end()) {
    if (raw.kind === "bad") yield bad(raw.line, raw.reason);
    else if (raw.text.trim() !== "") yield parseBatchLine(raw.text, raw.line, defaults);
  }
}
