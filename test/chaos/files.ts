/**
 * The folder of a chaos run. What processes see is kept in files of JSON lines, one write a line: what was written
 * outlives its writer.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const FILES = [
  "purchases",
  "tool-runs",
  "submissions",
  "samples",
  "events",
  "faults",
  "acts",
  "runs",
  "texts",
  "notes",
  "about",
  "answers",
  "exchanges",
  "watched",
  "lines",
  "idle",
] as const;
export type FileName = (typeof FILES)[number];

export function fileOf(folder: string, name: FileName): string {
  return join(folder, `${name}.jsonl`);
}

export function writeLine(folder: string, name: FileName, value: object): void {
  appendFileSync(fileOf(folder, name), `${JSON.stringify(value)}\n`);
}

/** Whole lines; none when there is no such file. The last one is left out while it is being written. */
export function readLines(folder: string, name: FileName): readonly unknown[] {
  const path = fileOf(folder, name);
  if (!existsSync(path)) return [];
  const text = readFileSync(path, "utf8");
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .flatMap((line): unknown[] => (line === "" ? [] : [JSON.parse(line)]));
}
