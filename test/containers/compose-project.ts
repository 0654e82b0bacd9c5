/**
 * docker-compose.yml as people use it, under a project name of its own, by Compose v2 or docker-compose 1.29. Only an
 * override file is added: it lets the workers reach this machine's simulated models.
 */
import { randomBytes } from "node:crypto";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tempFolder } from "../support/temp-folder.ts";
import { attempt, command } from "./command.ts";
import { batonImage, labels, redisImage } from "./images.ts";
import { EXTRA_HOST } from "./simulated-host.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const UP_MS = 120_000;

export interface Container {
  readonly id: string;
  readonly service: string;
  /** `running`, `exited` … */
  readonly state: string;
  readonly health: string | undefined;
  readonly exitCode: number;
  /** How often it was started again by itself. */
  readonly restarts: number;
}

export interface ComposeProject extends AsyncDisposable {
  readonly name: string;
  readonly drainSeconds: number;
  readonly graceSeconds: number;
  /** Calls Compose; resolves with standard output. */
  compose(...args: readonly string[]): Promise<string>;
  containers(): Promise<readonly Container[]>;
}

/** The words that call Compose on this machine. */
export async function findCompose(): Promise<readonly string[] | undefined> {
  if ((await attempt("docker", ["compose", "version"])) !== undefined) return ["docker", "compose"];
  if ((await attempt("docker-compose", ["version"])) !== undefined) return ["docker-compose"];
  return undefined;
}

export async function openProject(config: string): Promise<ComposeProject> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder());
  const [file, ...first] = (await findCompose()) ?? [];
  if (file === undefined) throw new Error("there is no docker compose");
  const configFolder = join(folder.path, "config");
  await mkdir(configFolder);
  await writeFile(join(configFolder, "baton.config.json"), config);
  // The worker is another user than this one.
  for (const path of [folder.path, configFolder]) await chmod(path, 0o755);
  const override = join(folder.path, "override.json");
  await writeFile(override, JSON.stringify(overrideOf()));
  const name = `baton-test-${randomBytes(4).toString("hex")}`;
  const drainSeconds = 1;
  const graceSeconds = 20;
  const env = {
    BATON_IMAGE: batonImage(),
    REDIS_IMAGE: redisImage(),
    BATON_CONFIG_DIR: configFolder,
    // Free ones.
    BATON_REDIS_PORT: "0",
    BATON_API_PORT: "0",
    BATON_DRAIN: String(drainSeconds),
    BATON_STOP_GRACE: `${graceSeconds}s`,
    BATON_CONCURRENCY: "4",
    OPENAI_API_KEY: "simulated",
    ANTHROPIC_API_KEY: "simulated",
    OPENAI_BASE_URL: undefined,
    ANTHROPIC_BASE_URL: undefined,
  };
  const files = ["--file", join(ROOT, "docker-compose.yml"), "--file", override];
  const compose: ComposeProject["compose"] = (...args) =>
    command(file, [...first, "--project-name", name, ...files, ...args], { cwd: ROOT, env, withinMs: UP_MS });
  stack.defer(async () => {
    await compose("down", "--volumes", "--remove-orphans", "--timeout", "5");
  });
  const owned = stack.move();
  return {
    name,
    drainSeconds,
    graceSeconds,
    compose,
    containers: () => containersOf(name),
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

function overrideOf(): object {
  // Their own check, asked more often, so that nobody waits for the next one.
  const api = { labels: labels(), healthcheck: { interval: "1s" } };
  const worker = { ...api, extra_hosts: [`${EXTRA_HOST.host}:${EXTRA_HOST.ipAddress}`] };
  const redis = { labels: labels() };
  return { services: { redis, api, "worker-openai": worker, "worker-anthropic": worker } };
}

async function containersOf(project: string): Promise<readonly Container[]> {
  const label = `label=com.docker.compose.project=${project}`;
  const ids = (await command("docker", ["ps", "--all", "--quiet", "--filter", label]))
    .split("\n")
    .filter(Boolean);
  if (ids.length === 0) return [];
  const format =
    '{{.Id}} {{index .Config.Labels "com.docker.compose.service"}} {{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}} {{.State.ExitCode}} {{.RestartCount}}';
  const lines = await command("docker", ["inspect", "--format", format, ...ids]);
  return lines.split("\n").map((line) => {
    const [id = "", service = "", state = "", health = "", exitCode, restarts] = line.split(" ");
    return {
      ...{ id, service, state, health: health === "" ? undefined : health },
      ...{ exitCode: Number(exitCode), restarts: Number(restarts) },
    };
  });
}
