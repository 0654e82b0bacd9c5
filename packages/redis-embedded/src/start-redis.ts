/**
 * Gives the caller a Redis for its data folder, whatever the machine has. In this order:
 *
 * 1. `BATON_REDIS_URL`: a server that somebody else runs;
 * 2. the server that runs on this folder already;
 * 3. `redis-server` or `valkey-server` 7 or newer on `PATH`;
 * 4. Debian's packages, fetched into the cache folder without root;
 * 5. a Docker engine;
 * 6. an error that says how to install one.
 *
 * Invariants, kept under the folder's lock:
 *
 * - One folder has at most one server.
 * - A server has one owner, and only the owner stops it. When the owner is dead, the next to come becomes the
 *   owner (`adopted`). Those that are `attached` lose the server when its owner stops it; the next start gives
 *   one at the same address.
 * - A script's writes are there whole or not at all (R1): what a crash cut off is taken away before a server starts,
 *   whatever kind of server it is.
 */
import { existsSync } from "node:fs";
import { BatonError } from "@baton/core";
import { repairAppendOnlyFiles } from "./append-only-repair.ts";
import { type CreatedContainer, endContainer, startContainer } from "./container.ts";
import { fetchDebianProgram } from "./debian-packages.ts";
import { takeLock } from "./file-lock.ts";
import { noRedisError } from "./install-hint.ts";
import { removeSocketFolder } from "./place.ts";
import { markOf, type ProcessMark, sameProcess } from "./process-mark.ts";
import { findProgramOnPath, type ServerProgram } from "./program.ts";
import { readRecord, removeRecord, type ServerMark, sameServer, writeRecord } from "./record.ts";
import type { RedisHandle, RedisKind, StartRedisOptions } from "./redis-handle.ts";
import { findRunningServer } from "./running-server.ts";
import { endServer, launchServer } from "./server-process.ts";
import { type StartContext, startContext } from "./start-context.ts";

/**
 * Resolves when the server answers with its data loaded. Throws `redis_unreachable`, `redis_unfit` when the data is
 * damaged, or the abort's reason.
 */
export async function startRedis(options: StartRedisOptions): Promise<RedisHandle> {
  const external = options.env.BATON_REDIS_URL;
  if (external !== undefined && external !== "") return borrowed({ kind: "external", url: external });
  const { signal } = options;
  const [context, me] = await Promise.all([startContext(options), markOf(process.pid)]);
  if (me === undefined) throw new BatonError("internal", "the own process cannot be identified");
  const { place, log } = context;
  const onWait = () => log(`Waiting for another start on ${place.folder} …`);
  using _lock = await takeLock(place.lockFile, { onWait }, signal);
  const running = await findRunningServer(context, signal);
  if (running === undefined) return await startServer(context, me, signal);
  const { url, answer, server, owner } = running;
  if (server === undefined || owner !== undefined) {
    return borrowed({ kind: "attached", url, version: answer.version, server });
  }
  await writeRecord(place.recordFile, { v: 1, url, server, owner: me });
  return owned({ kind: "adopted", url, version: answer.version, server, context, me });
}

async function startServer(
  context: StartContext,
  me: ProcessMark,
  signal: AbortSignal | undefined,
): Promise<RedisHandle> {
  await repairAppendOnlyFiles(context.place.folder, context.log, signal);
  const tried: string[] = [];
  if (process.platform !== "win32") {
    const onPath = await findProgramOnPath(context.env, signal);
    if (onPath.kind === "found") return await startProcess(onPath.program, context, me, signal);
    tried.push(onPath.why);
    const fetched = await fetchDebianProgram(context, signal);
    if (fetched.kind === "found") return await startProcess(fetched.program, context, me, signal);
    tried.push(fetched.why);
  }
  return await startInContainer(tried, context, me, signal);
}

async function startProcess(
  program: ServerProgram,
  context: StartContext,
  me: ProcessMark,
  signal: AbortSignal | undefined,
): Promise<RedisHandle> {
  const { place, log } = context;
  const url = place.socketPath;
  const onSpawn = (mark: ProcessMark): Promise<void> =>
    writeRecord(place.recordFile, { v: 1, url, server: { kind: "process", process: mark }, owner: me });
  const { child, mark, answer } = await launchServer({ program, onSpawn }, context, signal);
  let isStopping = false;
  child.once("exit", (code, name) => {
    if (!isStopping) log(`Redis (process ${mark.pid}) ended by itself: ${name ?? `exit code ${code}`}`);
  });
  const onStop = () => {
    isStopping = true;
  };
  const server: ServerMark = { kind: "process", process: mark };
  return owned({ kind: "started", url, version: answer.version, server, context, me, onStop });
}

async function startInContainer(
  tried: readonly string[],
  context: StartContext,
  me: ProcessMark,
  signal: AbortSignal | undefined,
): Promise<RedisHandle> {
  const onCreated = ({ id, url }: CreatedContainer): Promise<void> =>
    writeRecord(context.place.recordFile, { v: 1, url, server: { kind: "container", id }, owner: me });
  const started = await startContainer(onCreated, context, signal);
  if (started.kind === "missing") throw noRedisError([...tried, started.why]);
  const { id, url, answer } = started;
  return owned({
    kind: "docker",
    url,
    version: answer.version,
    server: { kind: "container", id },
    context,
    me,
  });
}

interface Server {
  readonly kind: RedisKind;
  readonly url: string;
  readonly version?: string;
  readonly server?: ServerMark | undefined;
}

function borrowed({ kind, url, version, server }: Server): RedisHandle {
  const stop = () => Promise.resolve();
  return { kind, url, version, pid: pidOf(server), stop, [Symbol.asyncDispose]: stop };
}

interface OwnedServer extends Server {
  readonly server: ServerMark;
  readonly context: StartContext;
  readonly me: ProcessMark;
  readonly onStop?: () => void;
}

function owned(mine: OwnedServer): RedisHandle {
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    mine.onStop?.();
    stopped ??= stopOwned(mine);
    return stopped;
  };
  const { kind, url, version, server } = mine;
  return { kind, url, version, pid: pidOf(server), stop, [Symbol.asyncDispose]: stop };
}

/** When the server died meanwhile and another process started the next one, that one is not ours to stop. */
async function stopOwned({ context, me, server }: OwnedServer): Promise<void> {
  const { place } = context;
  // A folder that was deleted beneath its server has no lock, no record, and no other start.
  if (!existsSync(place.folder)) return await endOwned(server, context);
  using _lock = await takeLock(place.lockFile, { onWait: () => undefined }, undefined);
  const record = await readRecord(place.recordFile);
  if (record === undefined || !sameProcess(record.owner, me) || !sameServer(record.server, server)) return;
  await endOwned(server, context);
  await removeRecord(place.recordFile);
}

async function endOwned(server: ServerMark, { place, env, log }: StartContext): Promise<void> {
  if (server.kind === "process") await endServer(server.process, log);
  else await endContainer(server.id, env);
  await removeSocketFolder(place);
}

function pidOf(server: ServerMark | undefined): number | undefined {
  return server?.kind === "process" ? server.process.pid : undefined;
}
