/**
 * Everything that needs a Docker engine: Baton's image is built, the store's tests run on a Redis container, then the
 * tests of this folder. Where that cannot be, one line says why, and nothing has failed. What was made for the tests is
 * gone at the end; base images and the installed dependencies stay for the next time.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { addTallies, close, runTests, type Tally } from "../support/stage.ts";
import { type BaseImages, ensureBaseImages } from "./base-images.ts";
import { attempt, command } from "./command.ts";
import { findCompose } from "./compose-project.ts";
import { LABEL } from "./images.ts";
import { startRedisContainer } from "./redis-container.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const DEPENDENCIES_IMAGE = "baton-base/dependencies:latest";
const BUILD_MS = 300_000;

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

await main();

async function main(): Promise<void> {
  const bases = await ready();
  if (typeof bases === "string") {
    say(`containers: left out, ${bases}; the tests ran on the embedded Redis`);
    say("0 passed, 0 failed");
    return;
  }
  const session = randomBytes(4).toString("hex");
  const image = `baton:test-${session}`;
  Object.assign(process.env, {
    BATON_TEST_SESSION: session,
    BATON_TEST_IMAGE: image,
    BATON_TEST_REDIS_IMAGE: bases.redis,
    // The reaper is an image of its own; this process sweeps instead.
    TESTCONTAINERS_RYUK_DISABLED: process.env.TESTCONTAINERS_RYUK_DISABLED ?? "true",
  });
  process.once("SIGTERM", () => void sweep(session, image).finally(() => process.exit(1)));
  try {
    await buildImage(image, bases);
    close(addTallies([await testStore(), await testContainers()]));
  } finally {
    await sweep(session, image);
  }
}

async function ready(): Promise<BaseImages | string> {
  const engine = await attempt("docker", ["version", "--format", "{{.Server.Version}}"]);
  return engine === undefined ? "no Docker engine answers" : ensureBaseImages(say);
}

async function buildImage(image: string, { node, build }: BaseImages): Promise<void> {
  const args = ["--build-arg", `BASE_IMAGE=${node}`, "--build-arg", `BUILD_IMAGE=${build}`];
  const options = { cwd: ROOT, withinMs: BUILD_MS };
  const target = ["--target", "dependencies", "--tag", DEPENDENCIES_IMAGE];
  await command("docker", ["build", "--quiet", ...args, ...target, "."], options);
  await command("docker", ["build", "--quiet", ...args, "--tag", image, "."], options);
  const bytes = Number(await command("docker", ["image", "inspect", "--format", "{{.Size}}", image]));
  const below = Number(await command("docker", ["image", "inspect", "--format", "{{.Size}}", node]));
  const megabytes = (size: number): string => `${Math.round(size / 1e6)} MB`;
  say(`${image} is built: ${megabytes(bytes)}, ${megabytes(bytes - below)} more than ${node}`);
}

/** The store's own tests, one file after the other, on one Redis container. */
async function testStore(): Promise<Tally> {
  await using redis = await startRedisContainer();
  process.env.BATON_TEST_REDIS_URL = redis.url;
  try {
    return await runTests(["--project=redis", "--no-file-parallelism", "packages/store"]);
  } finally {
    delete process.env.BATON_TEST_REDIS_URL;
  }
}

async function testContainers(): Promise<Tally> {
  const args = ["--project=containers"];
  if ((await findCompose()) === undefined) {
    say("compose: left out, neither `docker compose` nor docker-compose is there");
    args.push("--exclude=test/containers/compose.test.ts");
  }
  return runTests(args);
}

/** Takes away what is left of this session: containers of tests that died, its image, the build's unnamed images. */
async function sweep(session: string, image: string): Promise<void> {
  const left = await attempt("docker", ["ps", "--all", "--quiet", "--filter", `label=${LABEL}=${session}`]);
  const ids = (left ?? "").split("\n").filter(Boolean);
  if (ids.length > 0) await attempt("docker", ["rm", "--force", "--volumes", ...ids]);
  await attempt("docker", ["image", "rm", image]);
  await attempt("docker", ["image", "prune", "--force", "--filter", "label=dev.baton.stage"]);
}
