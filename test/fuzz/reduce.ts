/** Makes a case that breaks a rule smaller while it still breaks it, and tells it as something to run again. */
import fc from "fast-check";
import { type FuzzCase, wireOf } from "./fuzz-case.ts";
import { judge, type Rule } from "./judge.ts";
import { exchanged } from "./storm.ts";
import type { Found } from "./tally.ts";
import type { World } from "./world.ts";

export interface ReduceOptions {
  readonly cases: fc.Arbitrary<FuzzCase>;
  readonly seed: number;
  readonly port: number;
  readonly world: World;
  readonly secrets: readonly string[];
}

const REDUCE_MS_MAX = 15_000;
const SHOWN_CHARS_MAX = 1_500;

/** The case of a number, whatever comes before it. */
export function caseAt(cases: fc.Arbitrary<FuzzCase>, seed: number, index: number): FuzzCase {
  const [one] = fc.sample(cases, { seed: seedOf(seed, index), numRuns: 1 });
  if (one === undefined) throw new Error("an arbitrary gave nothing");
  return one;
}

function seedOf(seed: number, index: number): number {
  return (Math.imul(seed, 1_000_003) ^ Math.imul(index + 1, 2_654_435_761)) | 0;
}

export async function reduced({ index, one, breach }: Found, options: ReduceOptions): Promise<string> {
  const { cases, seed, port, world, secrets } = options;
  let least = one;
  const stillBreaks = async (candidate: FuzzCase): Promise<boolean> => {
    const broken = await rulesBrokenBy(candidate, { port, world, secrets });
    if (broken.has(breach.rule)) least = candidate;
    return broken.has(breach.rule);
  };
  const details = await fc.check(
    fc.asyncProperty(cases, async (candidate) => !(await stillBreaks(candidate))),
    {
      seed: seedOf(seed, index),
      numRuns: 1,
      interruptAfterTimeLimit: REDUCE_MS_MAX,
      markInterruptAsFailure: false,
    },
  );
  const again = details.failed ? "it breaks the rule again" : "alone it does not break the rule again";
  const bytes = JSON.stringify(wireOf(least, (text) => world.fill(text)).toString("latin1"));
  const shown =
    bytes.length > SHOWN_CHARS_MAX
      ? `${bytes.slice(0, SHOWN_CHARS_MAX)}… (${bytes.length} characters)`
      : bytes;
  return `  npm run fuzz -- --seed ${seed} --only ${index}   (${again}; ${least.family})\n  ${shown}`;
}

async function rulesBrokenBy(
  one: FuzzCase,
  { port, world, secrets }: Pick<ReduceOptions, "port" | "world" | "secrets">,
): Promise<ReadonlySet<Rule>> {
  const wire = wireOf(one, (text) => world.fill(text));
  const { connection, exchange } = await exchanged(port, undefined, one, wire);
  connection.destroy();
  return new Set(judge(one, exchange, secrets).map(({ rule }) => rule));
}
