/**
 * Makes sure that `node_modules` is what the lockfile says.
 *
 * - What counts is npm's own record of what it installed, `node_modules/.package-lock.json`, compared entry by
 *   entry with `package-lock.json`. npm writes it last, so an install that was cut off leaves none.
 * - One process installs, others that come meanwhile wait for it; the lock of a dead process is taken over.
 */
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { startChild } = require("./child.cjs");

const LOOK_EVERY_MS = 200;
const WAIT_MS_MAX = 600_000;

/** Settings that a surrounding `npm run` may pass down and that would make the install incomplete, or mute. */
const MISLEADING =
  /^npm_config_(workspaces?|include_workspace_root|omit|include|only|also|production|dry_run|global|location|prefix|package_lock_only|json|before|loglevel|silent)$/i;

/** @param {string} root the folder with `package-lock.json` */
async function ensureInstalled(root) {
  if (isInstalled(root)) return;
  const release = await takeLock(path.join(root, ".baton"));
  try {
    if (!isInstalled(root)) await install(root);
  } finally {
    release();
  }
}

async function install(root) {
  console.error("Installing dependencies (first run)…");
  const args = ["ci", "--ignore-scripts", "--include=dev", "--include=optional", "--no-audit", "--no-fund"];
  const [file, ...first] = npmCommand();
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !MISLEADING.test(name)));
  // npm for Windows is a batch file, which only a shell can run; none of the arguments needs quoting.
  const shell = process.platform === "win32" && first.length === 0;
  const options = { cwd: root, env, shell, stdio: ["ignore", "pipe", "pipe"] };
  const end = await startChild(file, [...first, ...args], options);
  if (end.code === 0 && isInstalled(root)) return;
  const reason = end.signal === null ? `exit code ${end.code}` : end.signal;
  throw new Error(`${end.output.trimEnd()}\nnpm ci did not install what package-lock.json says (${reason})`);
}

/** The npm that runs us, or the one on `PATH`. */
function npmCommand() {
  const running = process.env.npm_execpath;
  return running !== undefined && /npm-cli\.c?js$/.test(running) ? [process.execPath, running] : ["npm"];
}

function isInstalled(root) {
  const wanted = readPackages(path.join(root, "package-lock.json"));
  if (wanted === undefined) throw new Error(`${root} has no package-lock.json`);
  const installed = readPackages(path.join(root, "node_modules", ".package-lock.json"));
  if (installed === undefined) return false;
  return Object.entries(wanted).every(([place, entry]) => {
    if (!place.includes("node_modules/")) return true;
    const found = installed[place];
    // Optional ones are there or not, by system.
    if (found === undefined) return entry.optional === true || entry.devOptional === true;
    return found.version === entry.version && found.integrity === entry.integrity;
  });
}

function readPackages(file) {
  try {
    return JSON.parse(fs.readFileSync(file, "utf8")).packages;
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw new Error(`${file} cannot be read: ${error.message}`, { cause: error });
  }
}

/** Returns the function that gives the lock back. The lock is a file with the pid of its holder. */
async function takeLock(folder) {
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = path.join(folder, "install.lock");
  for (let waitedMs = 0; !tryLock(file); waitedMs += LOOK_EVERY_MS) {
    if (waitedMs === 0) console.error("Waiting for another install…");
    if (waitedMs > WAIT_MS_MAX)
      throw new Error(`${file} is still held; remove it when no install is running`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  return () => fs.rmSync(file, { force: true });
}

function tryLock(file) {
  // Made elsewhere and linked into place, so that nobody ever reads a lock without its pid.
  const draft = `${file}.${process.pid}`;
  fs.writeFileSync(draft, String(process.pid));
  try {
    fs.linkSync(draft, file);
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    removeIfDead(file);
    return false;
  } finally {
    fs.rmSync(draft, { force: true });
  }
}

function removeIfDead(file) {
  try {
    const pid = Number(fs.readFileSync(file, "utf8"));
    if (isAlive(pid)) return;
    // Only one of several that see this wins the rename; it looks again at what it took.
    const taken = `${file}.dead-${process.pid}`;
    fs.renameSync(file, taken);
    if (Number(fs.readFileSync(taken, "utf8")) !== pid) fs.linkSync(taken, file);
    fs.rmSync(taken);
  } catch (error) {
    if (error.code !== "ENOENT" && error.code !== "EEXIST") throw error;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

module.exports = { ensureInstalled };
