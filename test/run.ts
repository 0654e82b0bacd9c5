/**
 * `npm test`: linter, compiler, then the tests of the projects `unit` and `redis`. Arguments go to Vitest; with
 * `--project` among them only those projects run, and nothing else.
 */
import { ensureRedis } from "./support/redis-env.ts";
import { addTallies, checkTypes, close, lint, runTests } from "./support/stage.ts";

const args = process.argv.slice(2);
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

say(`Redis ${await ensureRedis(say)} is there`);
if (args.some((arg) => arg.startsWith("--project"))) {
  close(await runTests(args));
} else {
  const checks = [await lint(), await checkTypes()];
  const tests = await runTests(["--project=unit", "--project=redis", ...args]);
  close(addTallies([...checks, tests]));
}
