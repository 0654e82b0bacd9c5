/**
 * Tables on a terminal that may be narrow: a line that breaks is hard to read, so columns give way. Ids are never cut, as they
 * are there to be copied; a pipe gets everything.
 */
import { type Terminal, table } from "./terminal.ts";

export interface Fit {
  /** The last column is remarks, which can stand below their rows. */
  readonly remarks?: boolean;
  /** Headings of columns that can be missed, those that can best of all first. */
  readonly spare?: readonly string[];
  /** Heading of the column whose cells lose their beginnings when that is not enough. */
  readonly cut?: string;
}

type Rows = readonly (readonly string[])[];

const GAP = 2;
const CUT_LEAST = 12;
const SAYS_NOTHING: ReadonlySet<string> = new Set(["", "-", "0"]);

/** The first row is the headings. Says what is missing. */
export function showTable(terminal: Pick<Terminal, "columns" | "out" | "err">, rows: Rows, fit: Fit): void {
  const { text, missing } = fitTable(rows, fit, terminal.columns);
  terminal.out(text);
  if (missing.length > 0)
    terminal.err(`not shown: ${missing.join(", ")} (a wider terminal or --json shows all)\n`);
}

/**
 * What does not fit gives way in this order: remarks go below their rows; spare columns are left out, at first those that say
 * nothing, which are not told as missing; cells are cut.
 */
export function fitTable(
  rows: Rows,
  { remarks = false, spare = [], cut }: Fit,
  columns: number | undefined,
): { readonly text: string; readonly missing: readonly string[] } {
  if (columns === undefined || widthOf(rows) <= columns) return { text: table(rows), missing: [] };
  const silent = spare.filter((name) => saysNothing(rows, name));
  const telling = spare.filter((name) => !silent.includes(name));
  let kept = remarks ? rows.map((row) => row.slice(0, -1)) : rows;
  const gone: string[] = [];
  for (const name of [...silent, ...telling]) {
    if (widthOf(kept) <= columns) break;
    gone.push(name);
    kept = without(kept, name);
  }
  const fitting = cut === undefined ? kept : cutCells(kept, cut, columns);
  const text = table(fitting);
  const missing = gone.filter((name) => !silent.includes(name));
  return { text: remarks ? withRemarks(text, rows) : text, missing };
}

function widthOf(rows: Rows): number {
  const widths = (rows[0] ?? []).map((_, place) => Math.max(...rows.map((row) => (row[place] ?? "").length)));
  return widths.reduce((sum, width) => sum + width, GAP * (widths.length - 1));
}

function saysNothing([head = [], ...rows]: Rows, name: string): boolean {
  const place = head.indexOf(name);
  return rows.every((row) => SAYS_NOTHING.has(row[place] ?? ""));
}

function without(rows: Rows, name: string): Rows {
  const place = rows[0]?.indexOf(name);
  return rows.map((row) => row.filter((_, at) => at !== place));
}

/** The end of a model's id tells more than its beginning. */
function cutCells(rows: Rows, name: string, columns: number): Rows {
  const over = widthOf(rows) - columns;
  const place = rows[0]?.indexOf(name) ?? -1;
  if (over <= 0 || place < 0) return rows;
  const widest = Math.max(...rows.map((row) => (row[place] ?? "").length));
  const room = Math.max(CUT_LEAST, widest - over);
  return rows.map((row) =>
    row.map((cell, at) => (at === place && cell.length > room ? `…${cell.slice(1 - room)}` : cell)),
  );
}

function withRemarks(text: string, rows: Rows): string {
  const [head = "", ...remarks] = rows.map((row) => row.at(-1) ?? "");
  const [first = "", ...lines] = text.trimEnd().split("\n");
  const title = head === "" ? "" : `${head}: `;
  const told = lines.flatMap((line, place) => {
    const remark = remarks[place] ?? "";
    return remark === "" ? [line] : [line, `  ${title}${remark}`];
  });
  return `${[first, ...told].join("\n")}\n`;
}
