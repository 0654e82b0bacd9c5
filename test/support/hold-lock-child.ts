/** A process that takes a file lock and never gives it back. Argument: the file. */
import { takeLock } from "../../packages/redis-embedded/src/file-lock.ts";

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("a file is needed");
const lock = await takeLock(file, { onWait: () => undefined }, undefined);
process.stdout.write("held\n");
// Refers to the lock, so that it is not collected while the process waits to be killed.
setInterval(() => lock, 1_000);
