/** `npm run check`: what can be known in a few seconds. Linter, compiler, unit tests. Arguments go to Vitest. */
import { addTallies, checkTypes, close, lint, runTests } from "./support/stage.ts";

const args = process.argv.slice(2);
close(addTallies([await lint(), await checkTypes(), await runTests(["--project=unit", ...args])]));
