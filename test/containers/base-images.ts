/**
 * The images that Baton's own is built and tested with: Node on Debian, and Redis. Those that are there are taken, else
 * they are pulled; where no registry answers, they are made from Debian's packages and npm's, which needs root and
 * debootstrap. They stay for the next time.
 */
import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tempFolder } from "../support/temp-folder.ts";
import { attempt, command } from "./command.ts";

export interface BaseImages {
  readonly node: string;
  /** Where `npm ci` runs: `node`, with this machine's certificates when npm needs them here. */
  readonly build: string;
  readonly redis: string;
}

type Say = (line: string) => void;

interface Recipe {
  readonly official: string;
  readonly made: string;
  readonly packages: readonly string[];
  readonly command: readonly string[];
  /** Puts more into the root folder, before it becomes an image. */
  readonly furnish?: (root: string) => Promise<void>;
}

/** As the official image is laid out: below /usr/local. Of the same major version, so that both are the same test. */
const NODE_VERSION = "24.21.0";
const NPM_VERSION = "11.21.2";
const NODE: Recipe = {
  official: process.env.BATON_TEST_NODE_IMAGE ?? "node:24-bookworm-slim",
  made: "baton-base/node:24",
  packages: ["ca-certificates", "libatomic1", "libstdc++6"],
  command: ["node"],
  furnish: furnishNode,
};
const REDIS: Recipe = {
  official: process.env.BATON_TEST_REDIS_IMAGE ?? "redis:7",
  made: "baton-base/redis:7",
  packages: ["redis-server"],
  command: ["redis-server"],
};
const BUILD_IMAGE = "baton-base/node-build:24";
const PULL_MS = 120_000;
const MAKE_MS = 300_000;

/** Resolves with the images, or with one line that says why there are none. */
export async function ensureBaseImages(say: Say): Promise<BaseImages | string> {
  const node = await ensureImage(NODE, say);
  const redis = await ensureImage(REDIS, say);
  if (node === undefined || redis === undefined) {
    const missing = [node ?? NODE.official, redis ?? REDIS.official].filter(
      (name) => name !== node && name !== redis,
    );
    return `${missing.join(" and ")} cannot be pulled, nor made here (needs root and debootstrap)`;
  }
  return { node, redis, build: await buildImage(node) };
}

async function ensureImage(recipe: Recipe, say: Say): Promise<string | undefined> {
  const { official, made } = recipe;
  for (const name of [official, made]) if (await exists(name)) return name;
  if ((await attempt("docker", ["pull", "--quiet", official], { withinMs: PULL_MS })) !== undefined) {
    return official;
  }
  if (process.getuid?.() !== 0 || (await attempt("debootstrap", ["--version"])) === undefined)
    return undefined;
  say(`${official} cannot be pulled; making ${made} from Debian's packages (once) …`);
  await make(recipe);
  return made;
}

async function exists(name: string): Promise<boolean> {
  return (await attempt("docker", ["image", "inspect", "--format", "{{.Id}}", name])) !== undefined;
}

async function make({ made, packages, command: start, furnish }: Recipe): Promise<void> {
  await using folder = await tempFolder();
  const root = join(folder.path, "root");
  const args = ["--variant=minbase", `--include=${packages.join(",")}`, "bookworm", root];
  await command("debootstrap", args, { withinMs: MAKE_MS });
  await furnish?.(root);
  const archive = join(folder.path, "root.tar");
  await command("tar", ["-C", root, "--exclude=./var/cache/apt/archives/*.deb", "-cf", archive, "."], {
    withinMs: MAKE_MS,
  });
  const change = `CMD ${JSON.stringify(start)}`;
  await command("docker", ["import", "--change", change, archive, made], { withinMs: MAKE_MS });
}

async function furnishNode(root: string): Promise<void> {
  await using folder = await tempFolder();
  const local = join(root, "usr", "local");
  const npm = join(local, "lib", "node_modules", "npm");
  await command("mkdir", ["-p", npm]);
  const pack = async (name: string): Promise<string> => {
    const file = await command("npm", ["pack", "--silent", name], { cwd: folder.path, withinMs: MAKE_MS });
    return join(folder.path, file);
  };
  const nodeArchive = await pack(`node-linux-${process.arch}@${NODE_VERSION}`);
  await command("tar", ["-C", local, "--strip-components=1", "-xf", nodeArchive, "package/bin"]);
  await command("tar", ["-C", npm, "--strip-components=1", "-xf", await pack(`npm@${NPM_VERSION}`)]);
  for (const name of ["npm", "npx"]) {
    const target = `../lib/node_modules/npm/bin/${name}-cli.js`;
    await command("ln", ["-s", target, join(local, "bin", name)]);
  }
}

/** npm trusts the certificates that this machine's npm is told to trust, and says so in no other image. */
async function buildImage(node: string): Promise<string> {
  const configured = await attempt("npm", ["config", "get", "cafile"]);
  const cafile = [configured, process.env.NODE_EXTRA_CA_CERTS].find((file) => file && file !== "null");
  if (cafile === undefined) return node;
  await using folder = await tempFolder();
  await copyFile(cafile, join(folder.path, "trusted.crt"));
  await writeFile(join(folder.path, "npmrc"), "cafile=/usr/local/etc/trusted.crt\n");
  await writeFile(
    join(folder.path, "Dockerfile"),
    `FROM ${node}\nCOPY trusted.crt npmrc /usr/local/etc/\nRUN chmod a+r /usr/local/etc/*\n`,
  );
  await command("docker", ["build", "--quiet", "--tag", BUILD_IMAGE, folder.path]);
  return BUILD_IMAGE;
}
