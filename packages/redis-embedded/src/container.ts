/**
 * Runs Redis in a container, where a Docker engine is all there is. The data folder is mounted; the port is
 * published on loopback alone, and since other users of the machine can reach that too, it takes a password that
 * only this user can read. The name of the container follows from the folder, so the engine itself refuses a
 * second one.
 */
import { createHash, randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BatonError } from "@baton/core";
import { type CommandResult, runCommand } from "./command.ts";
import { endedEarlyError } from "./ended-early.ts";
import { findOnPath } from "./program.ts";
import { type ReadyAnswer, waitUntilReady } from "./readiness.ts";
import { DURABLE_SETTINGS } from "./settings.ts";
import type { StartContext } from "./start-context.ts";

const SETTINGS_FILE = "container.conf";
const PULL_MS_MAX = 600_000;
const COMMAND_MS_MAX = 60_000;
const STOP_SECONDS_MAX = 15;

type Environment = Readonly<Record<string, string | undefined>>;

export interface CreatedContainer {
  readonly id: string;
  readonly url: string;
}

export type ContainerStart =
  | { readonly kind: "running"; readonly id: string; readonly url: string; readonly answer: ReadyAnswer }
  | { readonly kind: "missing"; readonly why: string };

/** Resolves when the server in the container answers. When that fails, the container is gone on return. */
export async function startContainer(
  onCreated: (container: CreatedContainer) => Promise<void>,
  context: StartContext,
  signal: AbortSignal | undefined,
): Promise<ContainerStart> {
  const { place, env, log, dockerImage } = context;
  const engine = await findOnPath("docker", env);
  if (engine === undefined) return { kind: "missing", why: "no docker on PATH" };
  const docker = dockerCommand(engine, env, signal);
  const version = await docker(["version", "--format", "{{.Server.Version}}"]);
  if (!version.ok) return { kind: "missing", why: `docker: ${version.why}` };
  const name = containerName(place.folder);
  // One that has no record was left by a start that died half-way; nobody ever learnt its password.
  await docker(["rm", "--force", name]);
  const password = randomBytes(24).toString("base64url");
  await writeSettings(place.folder, password);
  log(`Starting Redis in a Docker container (${dockerImage}) …`);
  const created = await docker(runArguments(context, name), PULL_MS_MAX);
  if (!created.ok) {
    await docker(["rm", "--force", name]);
    return { kind: "missing", why: `docker run: ${created.why}` };
  }
  const id = created.stdout.trim();
  try {
    const url = await publishedUrl(docker, { id, password, folder: place.folder });
    await onCreated({ id, url });
    return { kind: "running", id, url, answer: await waitForContainer(docker, { id, url }, context, signal) };
  } catch (error) {
    await endContainer(id, env);
    throw error;
  }
}

/** Ends and removes a container; one that is gone already is no error. Returns whether it is surely gone. */
export async function endContainer(id: string, env: Environment): Promise<boolean> {
  const engine = await findOnPath("docker", env);
  if (engine === undefined) return false;
  const docker = dockerCommand(engine, env, undefined);
  await docker(["stop", "--time", String(STOP_SECONDS_MAX), id]);
  const removed = await docker(["rm", "--force", id]);
  return removed.ok || removed.why.includes("No such container");
}

type Docker = (args: readonly string[], withinMs?: number) => Promise<CommandResult>;

function dockerCommand(engine: string, env: Environment, signal: AbortSignal | undefined): Docker {
  return (args, withinMs = COMMAND_MS_MAX) => runCommand(engine, args, { env, withinMs }, signal);
}

function containerName(folder: string): string {
  return `baton-redis-${createHash("sha256").update(folder).digest("hex").slice(0, 16)}`;
}

/** The password stands in a file, because arguments can be read by everybody. */
async function writeSettings(folder: string, password: string): Promise<void> {
  const lines = ["port 6379", "bind * -::*", `requirepass ${password}`, "dir /data", ...DURABLE_SETTINGS];
  await writeFile(join(folder, SETTINGS_FILE), `${lines.join("\n")}\n`, { mode: 0o600 });
}

function runArguments({ place, dockerImage }: StartContext, name: string): string[] {
  const source = place.folder.replaceAll('"', '""');
  const user =
    process.getuid === undefined ? [] : ["--user", `${process.getuid()}:${process.getgid?.() ?? 0}`];
  return [
    "run",
    "--detach",
    ...["--name", name],
    ...["--stop-timeout", String(STOP_SECONDS_MAX)],
    ...["--publish", "127.0.0.1::6379"],
    ...["--mount", `type=bind,"source=${source}",target=/data`],
    // The files stay the user's own: the image's entry point would give them to another user.
    ...user,
    ...["--entrypoint", "redis-server"],
    dockerImage,
    `/data/${SETTINGS_FILE}`,
  ];
}

interface Published {
  readonly id: string;
  readonly password: string;
  readonly folder: string;
}

async function publishedUrl(docker: Docker, { id, password, folder }: Published): Promise<string> {
  const published = await docker(["port", id, "6379/tcp"]);
  const port = published.ok ? /127\.0\.0\.1:(\d+)/.exec(published.stdout)?.[1] : undefined;
  if (port === undefined) throw await endedEarly(docker, id, folder);
  return `redis://:${password}@127.0.0.1:${port}`;
}

async function waitForContainer(
  docker: Docker,
  { id, url }: CreatedContainer,
  context: StartContext,
  signal: AbortSignal | undefined,
): Promise<ReadyAnswer> {
  const name = `container ${id.slice(0, 12)}`;
  // The password is known to nobody else, so whoever takes it is the server.
  const server = { url, name, isIt: () => true, isAlive: () => isRunning(docker, id) };
  const answer = await waitUntilReady(server, context, signal);
  if (answer === undefined) throw await endedEarly(docker, id, context.place.folder);
  return answer;
}

async function isRunning(docker: Docker, id: string): Promise<boolean> {
  const state = await docker(["inspect", "--format", "{{.State.Running}}", id]);
  return state.ok && state.stdout.trim() === "true";
}

async function endedEarly(docker: Docker, id: string, folder: string): Promise<BatonError> {
  const logs = await docker(["logs", "--tail", "20", id]);
  const output = logs.ok ? logs.stdout : logs.why;
  // The server is the container's first process.
  return endedEarlyError({ server: "the Redis container", folder, source: "its log", output, pid: 1 });
}
