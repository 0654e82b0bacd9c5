/**
 * Fetches Redis from the Debian (or Ubuntu) packages that the machine is set up for, without root and without
 * touching the system: apt works in folders of its own and only downloads, `dpkg -x` unpacks.
 *
 * - What apt trusts, its sources, proxies and certificates are the machine's.
 * - apt itself finds out which libraries are missing, so this holds for any release.
 * - The result appears in the cache whole or not at all (rename), and is run once before that.
 * - One process fetches, the others wait for it (file lock).
 */
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { lastLines, runCommand } from "./command.ts";
import { takeLock } from "./file-lock.ts";
import { checkProgram, findOnPath, type ProgramSearch } from "./program.ts";
import type { StartContext } from "./start-context.ts";

const APT_MS = 300_000;
const UNPACK_MS = 60_000;

export type FetchOptions = Pick<StartContext, "env" | "cacheDir" | "log">;

/** The cached program, fetched when it is not there or does not run any more. */
export async function fetchDebianProgram(
  options: FetchOptions,
  signal: AbortSignal | undefined,
): Promise<ProgramSearch> {
  const [aptGet, dpkg] = [await findOnPath("apt-get", options.env), await findOnPath("dpkg", options.env)];
  if (aptGet === undefined || dpkg === undefined)
    return { kind: "missing", why: "no apt-get to fetch it with" };
  const base = join(options.cacheDir, "redis");
  const target = join(base, `debian-${await releaseName()}-${process.arch}`);
  const cached = await checkUnpacked(target, signal);
  if (cached.kind === "found") return cached;
  await mkdir(base, { recursive: true, mode: 0o700 });
  using _lock = await takeLock(join(base, "fetch.lock"), { onWait: () => undefined }, signal);
  const now = await checkUnpacked(target, signal);
  return now.kind === "found" ? now : await fetchInto(target, base, { ...options, aptGet, dpkg }, signal);
}

interface FetchTools extends FetchOptions {
  readonly aptGet: string;
  readonly dpkg: string;
}

async function fetchInto(
  target: string,
  base: string,
  tools: FetchTools,
  signal: AbortSignal | undefined,
): Promise<ProgramSearch> {
  tools.log("Fetching redis-server from the system's package sources (once) …");
  const work = await mkdtemp(join(base, "fetch-"));
  try {
    const problem = await downloadAndUnpack(work, tools, signal);
    if (problem !== undefined) return { kind: "missing", why: problem };
    const checked = await checkUnpacked(join(work, "root"), signal);
    if (checked.kind === "missing") return checked;
    await rm(target, { recursive: true, force: true });
    await rename(join(work, "root"), target);
    return await checkUnpacked(target, signal);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Returns what went wrong, or undefined. */
async function downloadAndUnpack(
  work: string,
  tools: FetchTools,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const configFile = await writeAptConfig(work);
  const env = { ...tools.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" };
  const apt = (...args: string[]) =>
    runCommand(tools.aptGet, ["-c", configFile, "-q", "-y", ...args], { env, withinMs: APT_MS }, signal);
  const updated = await apt("update");
  // One source of many may be down: whether the package can be had decides.
  const got = await apt(
    "install",
    "--download-only",
    "--reinstall",
    "--no-install-recommends",
    "redis-server",
  );
  if (!got.ok) return `apt-get: ${[updated.ok ? "" : updated.why, got.why].filter(Boolean).join(" | ")}`;
  const archives = join(work, "cache", "archives");
  const packages = (await readdir(archives)).filter((name) => name.endsWith(".deb"));
  for (const name of packages) {
    const args = ["-x", join(archives, name), join(work, "root")];
    const unpacked = await runCommand(tools.dpkg, args, { env, withinMs: UNPACK_MS }, signal);
    if (!unpacked.ok) return `dpkg -x ${name}: ${lastLines(unpacked.why)}`;
  }
  return undefined;
}

/**
 * Read after the machine's own configuration. Its hooks are cleared: they clean up or index the system's folders.
 * The list of installed packages stays the machine's, so that only missing libraries are downloaded.
 */
async function writeAptConfig(work: string): Promise<string> {
  const folders = ["state/lists/partial", "cache/archives/partial", "log", "root"];
  for (const folder of folders) await mkdir(join(work, folder), { recursive: true });
  const quoted = (name: string) => JSON.stringify(join(work, name));
  const lines = [
    "#clear APT::Update::Pre-Invoke;",
    "#clear APT::Update::Post-Invoke;",
    "#clear APT::Update::Post-Invoke-Success;",
    `Dir::State ${quoted("state")};`,
    'Dir::State::lists "lists";',
    'Dir::State::status "/var/lib/dpkg/status";',
    `Dir::Cache ${quoted("cache")};`,
    'Dir::Cache::archives "archives";',
    `Dir::Log ${quoted("log")};`,
    'Acquire::Languages "none";',
    'Acquire::Retries "2";',
    // As root apt would become another user, who cannot enter a private folder.
    'APT::Sandbox::User "root";',
    'Debug::NoLocking "true";',
  ];
  const file = join(work, "apt.conf");
  await writeFile(file, `${lines.join("\n")}\n`);
  return file;
}

async function checkUnpacked(root: string, signal: AbortSignal | undefined): Promise<ProgramSearch> {
  const libraries = join(root, "usr", "lib");
  const names = await readdir(libraries, { withFileTypes: true }).catch(() => []);
  const folders = names.filter((entry) => entry.isDirectory() && entry.name.includes("-linux-"));
  const libraryPath = [...folders.map((entry) => join(libraries, entry.name)), libraries].join(":");
  return await checkProgram({ file: join(root, "usr", "bin", "redis-server"), libraryPath }, signal);
}

/** A release's libraries do not fit another's. */
async function releaseName(): Promise<string> {
  const text = await readFile("/etc/os-release", "utf8").catch(() => "");
  const name = /^VERSION_CODENAME="?([\w.-]+)/m.exec(text)?.[1] ?? /^ID="?([\w.-]+)/m.exec(text)?.[1];
  return name ?? "unknown";
}
