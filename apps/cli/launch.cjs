#!/usr/bin/env node
/**
 * `node apps/cli/launch.cjs SCRIPT.ts [ARGUMENTS]`: runs a script of this workspace on a machine that has nothing
 * but Node 18 and npm. Installs what the lockfile says when it is not there, then runs the script under a Node
 * that can (`run-script.cjs`). Plain CommonJS without dependencies, since it runs before there are any.
 */
"use strict";

const path = require("node:path");
const { ensureInstalled } = require("./launcher/install.cjs");
const { runScript } = require("./launcher/run-script.cjs");

const root = path.resolve(__dirname, "..", "..");
const [script, ...args] = process.argv.slice(2);

if (script === undefined) {
  console.error("usage: node apps/cli/launch.cjs SCRIPT.ts [ARGUMENTS]");
  process.exitCode = 2;
} else {
  ensureInstalled(root)
    .then(() => runScript(root, path.resolve(root, script), args))
    .catch((error) => {
      console.error(error instanceof Error ? error.message : error);
      process.exitCode = 1;
    });
}
