/**
 * Rows of a CSV file with a header: each is a run, whose input is a template filled from its columns. `custom_id` names
 * the run where there is such a column, else it is `row-<n>`; a column `run_at` says when it may start.
 */
import { isUtf8 } from "node:buffer";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { BatonError } from "@baton/core";
import { CsvError, parse } from "csv-parse";
import {
  type BadLine,
  type BatchLine,
  bad,
  CUSTOM_ID_CHARS_MAX,
  lineOf,
  type SpecDefaults,
} from "./batch-line.ts";
import { parseTemplate, type Template } from "./template.ts";

export interface CsvOptions {
  /** Absent: the column `input` is the input. */
  readonly template?: string | undefined;
  readonly defaults: SpecDefaults;
  /** Bytes of a row. */
  readonly lineBytesMax: number;
}

interface Row {
  readonly record: readonly Buffer[];
  readonly info: { readonly lines: number };
}

interface Table {
  readonly columns: ReadonlyMap<string, number>;
  readonly template: Template;
  readonly defaults: SpecDefaults;
}

/** Throws `invalid_spec` before the first row when the header lacks a column that the template names. */
export async function* readCsv(
  source: AsyncIterable<Uint8Array>,
  options: CsvOptions,
): AsyncGenerator<BatchLine | BadLine, void, void> {
  const template = parseTemplate(options.template ?? "{{input}}");
  const parser = parse({
    // Fields come as bytes, so that what is not UTF-8 can be told. Its own `bom` would turn them into text.
    encoding: null,
    info: true,
    max_record_size: options.lineBytesMax,
    record_delimiter: ["\r\n", "\n"],
    relax_column_count: true,
    skip_empty_lines: true,
  });
  // An error of the source destroys the parser, so that it comes out of the loop below.
  const feeding = pipeline(Readable.from(withoutBom(source)), parser).catch(() => undefined);
  let table: Table | undefined;
  let count = 0;
  // The parser counts a CRLF in a quoted field as two lines.
  let drift = 0;
  try {
    for await (const value of parser) {
      // The options above make the parser give buffers, with the place that it is at.
      const { record, info } = value as Row;
      const breaks = breaksIn(record);
      drift += breaks.crlf;
      if (table === undefined) {
        const columns = columnsOf(record, template, options.template !== undefined);
        table = { columns, template, defaults: options.defaults };
        continue;
      }
      count += 1;
      yield rowOf(record, info.lines - drift - breaks.lf, count, table);
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = typeof error.lines === "number" ? error.lines - drift : count + 2;
    yield { ...bad(line, `the file cannot be read from here on: ${whyOf(error, options)}`), isEnd: true };
    return;
  } finally {
    parser.destroy();
    await feeding;
  }
  if (table === undefined) {
    throw new BatonError("invalid_spec", "the CSV file is empty: its first line names the columns");
  }
}

/** The parser's own words print fields as bytes, and name lines as it counts them. */
function whyOf({ code }: CsvError, { lineBytesMax }: CsvOptions): string {
  if (code === "CSV_MAX_RECORD_SIZE")
    return `a row has more than ${lineBytesMax} bytes, or a quote is not closed`;
  if (code === "CSV_QUOTE_NOT_CLOSED") return "a quote is not closed";
  if (code === "INVALID_OPENING_QUOTE") return "a quote stands in a field that does not begin with one";
  return "something other than a comma or the end of the row stands behind a closing quote";
}

/** Line breaks in the fields of a row. */
function breaksIn(record: readonly Buffer[]): { readonly lf: number; readonly crlf: number } {
  const breaks = { lf: 0, crlf: 0 };
  for (const field of record) {
    for (let at = field.indexOf("\n"); at !== -1; at = field.indexOf("\n", at + 1)) {
      breaks.lf += 1;
      if (field[at - 1] === 0x0d) breaks.crlf += 1;
    }
  }
  return breaks;
}

function columnsOf(
  header: readonly Buffer[],
  template: Template,
  isGiven: boolean,
): ReadonlyMap<string, number> {
  const names = header.map((name) => name.toString("utf8").trim());
  const twice = names.find((name, place) => names.indexOf(name) < place);
  if (twice !== undefined) {
    throw new BatonError("invalid_spec", `the CSV file has two columns ${JSON.stringify(twice)}`);
  }
  const missing = template.columns.filter((column) => !names.includes(column));
  const there = names.join(", ");
  if (missing.length > 0 && !isGiven) {
    throw new BatonError(
      "invalid_spec",
      `the CSV file has no column input, so a template has to say what to do: --template 'Write about {{${names[0] ?? "column"}}}' (columns: ${there})`,
    );
  }
  if (missing.length > 0) {
    throw new BatonError(
      "invalid_spec",
      `the template names ${missing.map((name) => `{{${name}}}`).join(", ")}, and the CSV file has the columns ${there}`,
    );
  }
  return new Map(names.map((name, place) => [name, place]));
}

function rowOf(
  record: readonly Buffer[],
  line: number,
  count: number,
  { columns, template, defaults }: Table,
): BatchLine | BadLine {
  if (!record.every((field) => isUtf8(field))) return bad(line, "the row is not valid UTF-8");
  if (record.length !== columns.size) {
    return bad(line, `the row has ${record.length} fields, the header has ${columns.size}`);
  }
  const textOf = (column: string): string | undefined => {
    const place = columns.get(column);
    return place === undefined ? undefined : record[place]?.toString("utf8");
  };
  const customId = textOf("custom_id") ?? `row-${count}`;
  if (customId === "" || customId.length > CUSTOM_ID_CHARS_MAX) {
    return bad(line, `custom_id: a text of 1 to ${CUSTOM_ID_CHARS_MAX} characters is missing`);
  }
  const runAt = textOf("run_at");
  const spec = {
    ...defaults,
    input: template.fill((column) => textOf(column) ?? ""),
    ...(runAt === undefined || runAt === "" ? {} : { run_at: runAt }),
  };
  return lineOf(line, customId, spec, (path) => [...path]);
}

const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

/** The first three bytes may come in pieces. */
async function* withoutBom(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of source) {
    if (head === undefined) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    if (head.length < BOM.length) continue;
    yield head.subarray(0, BOM.length).equals(BOM) ? head.subarray(BOM.length) : head;
    head = undefined;
  }
  if (head !== undefined) yield head;
}
