/**
 * `npm run fuzz -- --requests N --seed S [--json FILE]`: sends the API what it should refuse, among what it should take, and
 * judges each answer and what is left behind. `--only I` sends the request of this number alone, with the same seed.
 * It ends with the line `N passed, N failed`, one for each rule, and with 1 when one is broken.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { print, say } from "../bench/rows.ts";
import { runFuzz } from "./run-fuzz.ts";
import { codesOf, rowsOf, verdictsOf } from "./verdicts.ts";

const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "20000" },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
    json: { type: "string" },
  },
});

const outcome = await runFuzz({
  requests: numberOf("requests", values.requests),
  seed: numberOf("seed", values.seed),
  only: values.only === undefined ? undefined : numberOf("only", values.only),
  say,
});
const rows = rowsOf(outcome);
const verdicts = verdictsOf(outcome);
print(rows, `seed ${values.seed}`);
process.stdout.write(`\nrefusals: ${codesOf(outcome)}\n\n`);
for (const { name, isMet, seen } of verdicts) {
  process.stdout.write(`${isMet ? "met    " : "BROKEN "} ${name}${seen === "" ? "" : `: ${seen}`}\n`);
}
for (const line of outcome.reduced) process.stdout.write(`\n${line}\n`);
if (values.json !== undefined) {
  const judged = verdicts.map(({ name, isMet }) => ({
    name,
    value: isMet ? 1 : 0,
    unit: "",
    bar: 1,
    ok: isMet,
  }));
  writeFileSync(values.json, `${JSON.stringify([...rows, ...judged], null, 2)}\n`);
}
const failed = verdicts.filter(({ isMet }) => !isMet).length;
process.stdout.write(`${verdicts.length - failed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 ? 1 : 0;

function numberOf(name: string, text: string): number {
  const number = Number(text);
  if (Number.isInteger(number)) return number;
  throw new Error(`--${name} is a whole number, not ${text}`);
}
