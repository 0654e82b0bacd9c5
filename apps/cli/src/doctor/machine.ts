/** The machine that the command runs on: Node, Baton, the environment, the configuration, the data folder. */
import { constants, existsSync } from "node:fs";
import { access, stat, statfs } from "node:fs/promises";
import { dirname, relative, resolve } from "node:path";
import { BatonError, type Config, parseConfig, toBatonError } from "@baton/core";
import { CONFIG_NAMES, type Environment, loadConfig, readEnvironment, VERSION } from "@baton/worker-app";
import { type Finding, fail, ok, warn, within } from "./check.ts";

const NODE_MAJOR_MIN = 24;
/** A configuration is a module, and may wait for what never comes. */
const CONFIG_MS_MAX = 10_000;
const FREE_BYTES_MIN = 512 * 1_024 ** 2;

export interface Machine {
  readonly environment: Environment;
  /** The defaults when the configuration cannot be used: the examination goes on with what can be known. */
  readonly config: Config;
  readonly facts: MachineFacts;
}

export interface MachineFacts {
  readonly node: string;
  readonly baton: string;
  /** Why the environment cannot be used as it is. */
  readonly environmentProblem: string | undefined;
  readonly config:
    | { readonly kind: "none" }
    | { readonly kind: "valid"; readonly path: string }
    | { readonly kind: "invalid"; readonly why: string };
  readonly dataFolder: DataFolder;
}

interface DataFolder {
  readonly path: string;
  readonly state: "writable" | "not_yet" | "not_writable" | "no_folder";
  readonly freeBytes: number | undefined;
}

export async function gatherMachine(
  variables: Readonly<Record<string, string | undefined>>,
  folder: string,
): Promise<Machine> {
  const { environment, problem } = usableEnvironment(variables);
  const configPath = environment.configPath ?? CONFIG_NAMES.find((name) => existsSync(resolve(folder, name)));
  const loaded = await within(CONFIG_MS_MAX, () => loadConfig(environment.configPath, folder)).then(
    (config) => ({ config, why: undefined }),
    (error: unknown) => ({ config: undefined, why: withoutSource(toBatonError(error).message) }),
  );
  return {
    environment,
    config: loaded.config ?? parseConfig({}, "the default"),
    facts: {
      node: process.versions.node,
      baton: VERSION,
      environmentProblem: problem,
      config: configFact(loaded.why, configPath),
      dataFolder: await lookAtFolder(environment.dataDir, folder),
    },
  };
}

export function machineFindings(facts: MachineFacts): readonly Finding[] {
  const { node, baton, environmentProblem, config, dataFolder } = facts;
  const isOldNode = Number.parseInt(node, 10) < NODE_MAJOR_MIN;
  return [
    isOldNode
      ? fail("node", `${node} is too old`, `install Node ${NODE_MAJOR_MIN} or newer`)
      : ok("node", node),
    ok("baton", baton),
    ...(environmentProblem === undefined
      ? []
      : [fail("environment", environmentProblem, "every other command refuses to start so")]),
    configFinding(config),
    folderFinding(dataFolder),
  ];
}

function configFinding(config: MachineFacts["config"]): Finding {
  if (config.kind === "none") return ok("configuration", "none; the defaults hold");
  if (config.kind === "valid") return ok("configuration", config.path);
  return fail(
    "configuration",
    config.why,
    "correct the file, or BATON_CONFIG, which names it; what follows goes by the defaults",
  );
}

function folderFinding({ path, state, freeBytes }: DataFolder): Finding {
  const name = "data folder";
  const elsewhere = "set BATON_DATA_DIR to a folder that this user may write to";
  if (state === "no_folder") return fail(name, `${path} is no folder`, elsewhere);
  if (state === "not_writable") return fail(name, `${path} cannot be written to`, elsewhere);
  const free = freeBytes === undefined ? "" : `, ${(freeBytes / 1_024 ** 3).toFixed(1)} GB free`;
  if (freeBytes !== undefined && freeBytes < FREE_BYTES_MIN) {
    const low = `${path}: only ${Math.floor(freeBytes / 1_024 ** 2)} MB are free on its disk`;
    return warn(name, low, "make room: a Redis that cannot write stops taking runs");
  }
  return ok(
    name,
    state === "writable" ? `${path}, writable${free}` : `${path}, made when it is needed${free}`,
  );
}

/** What can be wrong with the variables, left out so that the rest can be examined. */
const UNCHECKED = {
  BATON_LOG: undefined,
  BATON_SHARDS: undefined,
  BATON_METRICS_PORT: undefined,
  BATON_ENCRYPTION_KEYS: undefined,
};

function usableEnvironment(variables: Readonly<Record<string, string | undefined>>) {
  try {
    return { environment: readEnvironment(variables), problem: undefined };
  } catch (error) {
    if (!(error instanceof BatonError)) throw error;
    const environment = readEnvironment({ ...variables, ...UNCHECKED });
    return { environment, problem: error.message };
  }
}

/** A JSON error quotes the file, and a file may hold what is nobody's business. */
function withoutSource(message: string): string {
  return message.replace(/,?\s*(\.\.\.)?"[\s\S]*"(\s*\.\.\.)?\s*is not valid JSON/, " is not valid JSON");
}

function configFact(why: string | undefined, path: string | undefined): MachineFacts["config"] {
  if (why !== undefined) return { kind: "invalid", why };
  return path === undefined ? { kind: "none" } : { kind: "valid", path };
}

async function lookAtFolder(path: string, folder: string): Promise<DataFolder> {
  const shown = relative(folder, path);
  const named = { path: shown === "" || shown.startsWith("..") ? path : shown };
  const exists = existsSync(path);
  const there = exists ? path : nearestThat(path);
  try {
    if (!(await stat(there)).isDirectory()) return { ...named, state: "no_folder", freeBytes: undefined };
    await access(there, constants.W_OK | constants.X_OK);
  } catch {
    return { ...named, state: "not_writable", freeBytes: undefined };
  }
  // Not every file system tells.
  const free = await statfs(there).catch(() => undefined);
  const freeBytes = free === undefined ? undefined : free.bavail * free.bsize;
  return { ...named, state: exists ? "writable" : "not_yet", freeBytes };
}

/** The nearest folder above that exists: in it, the missing ones would be made. */
function nearestThat(path: string): string {
  let above = dirname(path);
  while (!existsSync(above) && dirname(above) !== above) above = dirname(above);
  return above;
}
