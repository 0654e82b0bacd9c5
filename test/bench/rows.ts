/** What a benchmark has measured, and how it is shown. */
import { spawnSync } from "node:child_process";

export interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The bar, and whether the value meets it. */
  readonly bar?: number;
  readonly ok?: boolean;
}

export function print(table: readonly Row[], how: string): void {
  const width = Math.max(36, ...table.map(({ name }) => name.length + 2));
  process.stdout.write(`\n${commitName()}, Node ${process.version}, ${how}\n\n`);
  for (const { name, value, unit, bar, ok } of table) {
    const shown = value >= 100 ? value.toFixed(0) : value.toFixed(2);
    const verdict = bar === undefined ? "" : `  bar ${bar} ${unit}  ${ok ? "met" : "NOT MET"}`;
    process.stdout.write(`${name.padEnd(width)}${shown.padStart(8)} ${unit.padEnd(4)}${verdict}\n`);
  }
}

/** A copy of the files without their history has none. */
function commitName(): string {
  const args = ["describe", "--always", "--dirty"];
  const { status, stdout } = spawnSync("git", args, { cwd: import.meta.dirname, encoding: "utf8" });
  return status === 0 ? `commit ${stdout.trim()}` : "unknown commit";
}

export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
