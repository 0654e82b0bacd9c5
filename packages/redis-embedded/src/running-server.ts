/**
 * Finds the server that runs on a folder already. Called under the folder's lock, so no other start or stop is
 * under way. What counts is who answers: a server is the folder's when its working folder is that folder. The
 * record only says where to ask, and whom to wait for when nobody answers yet.
 */
import { BatonError } from "@baton/core";
import { endContainer } from "./container.ts";
import { probe } from "./probe.ts";
import { isAlive, type ProcessMark } from "./process-mark.ts";
import { type ReadyAnswer, waitUntilReady } from "./readiness.ts";
import { readRecord, removeRecord, type ServerMark, type ServerRecord } from "./record.ts";
import type { StartContext } from "./start-context.ts";

export interface RunningServer {
  readonly url: string;
  readonly answer: ReadyAnswer;
  /** Undefined for a process that is not the recorded one, or not to be seen from here, as in a container. */
  readonly server: ServerMark | undefined;
  /** Who is to stop it, if that process still lives. */
  readonly owner: ProcessMark | undefined;
}

/** Undefined when the folder is free. Throws when something holds it that does not answer. */
export async function findRunningServer(
  context: StartContext,
  signal: AbortSignal | undefined,
): Promise<RunningServer | undefined> {
  const record = await readRecord(context.place.recordFile);
  const owner = record !== undefined && (await isAlive(record.owner)) ? record.owner : undefined;
  const found =
    record?.server.kind === "container"
      ? await findContainer(record, context, signal)
      : await findProcess(record, context, signal);
  if (found !== undefined) return { ...found, owner };
  await removeRecord(context.place.recordFile);
  return undefined;
}

type Found = Omit<RunningServer, "owner">;

async function findContainer(
  { url, server }: ServerRecord,
  context: StartContext,
  signal: AbortSignal | undefined,
): Promise<Found | undefined> {
  const first = await probe(url);
  if (first.kind === "ready" || first.kind === "loading") {
    const answer = await ask(url, `on ${url}`, context, signal);
    if (answer !== undefined) return { url, answer, server };
  }
  // It may be stopped, paused or hung: it must be gone before another server gets the folder.
  if (server.kind === "container") await endContainer(server.id, context.env);
  return undefined;
}

async function findProcess(
  record: ServerRecord | undefined,
  context: StartContext,
  signal: AbortSignal | undefined,
): Promise<Found | undefined> {
  const { place } = context;
  const recorded = record?.server.kind === "process" ? record.server.process : undefined;
  const known = recorded !== undefined && (await isAlive(recorded)) ? recorded : undefined;
  const knownUrl = record?.url ?? place.socketPath;
  // The two differ after the folder was moved; its server may still listen where it was.
  for (const url of new Set([place.socketPath, knownUrl])) {
    const name = known === undefined ? `on ${url}` : `process ${known.pid}`;
    const answer = await ask(url, name, context, signal);
    if (answer === undefined) continue;
    const isKnown = answer.pid === known?.pid;
    if (answer.dir === place.folder) {
      return { url, answer, server: isKnown ? { kind: "process", process: known } : undefined };
    }
    if (url === place.socketPath) throw foreignServer(url, answer);
    // The folder is a copy of one that is in use: the record came with it.
    if (isKnown) return undefined;
  }
  return known === undefined ? undefined : await waitForKnown(knownUrl, known, context, signal);
}

/** Whoever is ready on an address, or undefined when nobody listens. */
function ask(
  url: string,
  name: string,
  context: StartContext,
  signal: AbortSignal | undefined,
): Promise<ReadyAnswer | undefined> {
  const isAlive = async () => (await probe(url)).kind !== "none";
  return waitUntilReady({ url, name, isIt: () => true, isAlive }, context, signal);
}

/** It does not listen yet, because its starter died a moment ago; or it never will, and then this throws. */
async function waitForKnown(
  url: string,
  mark: ProcessMark,
  context: StartContext,
  signal: AbortSignal | undefined,
): Promise<Found | undefined> {
  const name = `process ${mark.pid}`;
  const isIt = ({ pid }: ReadyAnswer) => pid === mark.pid;
  const answer = await waitUntilReady({ url, name, isIt, isAlive: () => isAlive(mark) }, context, signal);
  return answer === undefined ? undefined : { url, answer, server: { kind: "process", process: mark } };
}

function foreignServer(url: string, answer: ReadyAnswer): BatonError {
  return new BatonError(
    "redis_unreachable",
    `the Redis that answers on ${url} (process ${answer.pid}) keeps its data in another folder, ${answer.dir}`,
    { fields: { pid: answer.pid } },
  );
}
