/** A process that runs a script of the ledger when it has no file handle left. Argument: the Redis. */
import { openSync } from "node:fs";
import { openLedgerConnection } from "../connection.ts";
import { defineScripts } from "../scripts.ts";

const [url = ""] = process.argv.slice(2);
const connection = openLedgerConnection({ url, onError: () => undefined });
const run = defineScripts(connection);
await connection.ping();
try {
  for (;;) openSync("/dev/null", "r");
} catch (error) {
  if (!(error instanceof Error && "code" in error && error.code === "EMFILE")) throw error;
}
process.stdout.write(`${JSON.stringify(await run("count", ["{b:0}:runs"], ["queued"]))}\n`);
process.exit(0);
