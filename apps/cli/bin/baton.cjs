#!/usr/bin/env node
/** The `baton` command: runs the command line under a Node that can. It never installs anything. */
"use strict";

const path = require("node:path");
const { runScript } = require("../launcher/run-script.cjs");

const root = path.resolve(__dirname, "..", "..", "..");

runScript(root, path.join(root, "apps", "cli", "src", "main.ts"), process.argv.slice(2)).catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
