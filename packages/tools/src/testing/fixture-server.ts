/**
 * The fixture over stdio. Flags: `--starts FILE` notes each start, `--fail TEXT` says it and exits, `--stubborn`
 * stays when it is told to go, `--noise TEXT` prints what is no message.
 */
import { appendFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { createFixtureServer } from "./fixture-tools.ts";

const { values } = parseArgs({
  options: {
    starts: { type: "string" },
    fail: { type: "string" },
    noise: { type: "string" },
    stubborn: { type: "boolean" },
  },
});

if (values.starts !== undefined) appendFileSync(values.starts, `${process.pid}\n`);
if (values.fail !== undefined) {
  process.stderr.write(`${values.fail}\n`);
  process.exit(1);
}
if (values.noise !== undefined) process.stdout.write(`${values.noise}\n`);
if (values.stubborn) {
  process.on("SIGTERM", () => {});
  setInterval(() => {}, 1_000);
}

const die = () => {
  process.stderr.write("the fixture dies\n", () => process.exit(3));
};
await createFixtureServer({ die }).connect(new StdioServerTransport());
