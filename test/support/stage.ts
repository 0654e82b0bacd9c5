/** The steps of `npm test` and `npm run check`: each is a program whose exit code decides. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { tempFolder } from "./temp-folder.ts";

const ROOT = join(import.meta.dirname, "..", "..");

/** What the closing line counts. A check, such as the linter, counts only when it fails. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
}

export function addTallies(tallies: readonly Tally[]): Tally {
  const sum = (pick: (tally: Tally) => number) => tallies.reduce((total, tally) => total + pick(tally), 0);
  return { passed: sum(({ passed }) => passed), failed: sum(({ failed }) => failed) };
}

/** Biome: format, lint, imports. */
export function lint(): Promise<Tally> {
  return check("Biome", ["@biomejs", "biome", "bin", "biome"], ["check", "--error-on-warnings", "."]);
}

/** The compiler, which only checks. */
export function checkTypes(): Promise<Tally> {
  return check("TypeScript", ["typescript", "bin", "tsc"], ["-p", "."]);
}

/** Vitest with the given arguments; what it counted is read from its own report. */
export async function runTests(args: readonly string[]): Promise<Tally> {
  await using folder = await tempFolder();
  const report = join(folder.path, "report.json");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const code = await run(["vitest", "vitest.mjs"], ["run", ...reporters, ...args]);
  const counted = await readReport(report);
  // A file that cannot be loaded, or an error outside of all tests, fails the run but counts no test as failed.
  return code === 0 ? counted : { ...counted, failed: Math.max(counted.failed, 1) };
}

/** Prints the closing line and sets the exit code: a run without any test is a failed one. */
export function close({ passed, failed }: Tally): void {
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
}

async function check(name: string, program: readonly string[], args: readonly string[]): Promise<Tally> {
  const started = performance.now();
  const code = await run(program, args);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${name}: ${code === 0 ? "clean" : "FAILED"} (${seconds} s)\n`);
  return { passed: 0, failed: code === 0 ? 0 : 1 };
}

/** Runs a program of `node_modules` under this Node; resolves with its exit code. */
async function run(program: readonly string[], args: readonly string[]): Promise<number> {
  const file = join(ROOT, "node_modules", ...program);
  const child = spawn(process.execPath, [file, ...args], {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const forward = (name: NodeJS.Signals) => child.kill(name);
  process.once("SIGTERM", forward);
  const [code] = await once(child, "exit");
  process.off("SIGTERM", forward);
  return typeof code === "number" ? code : 1;
}

async function readReport(file: string): Promise<Tally> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "{}";
    throw error;
  });
  const report: unknown = JSON.parse(text);
  return { passed: countOf(report, "numPassedTests"), failed: countOf(report, "numFailedTests") };
}

function countOf(report: unknown, field: string): number {
  const value: unknown =
    typeof report === "object" && report !== null ? Reflect.get(report, field) : undefined;
  return typeof value === "number" ? value : 0;
}
