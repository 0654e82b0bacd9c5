/** What an API process still holds when nobody asks it for anything: what grows there grows with every client. */
import { readdir, readFile, readlink } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { writeLine } from "../chaos/files.ts";
import type { WorkerSlot } from "../chaos/worker-slot.ts";
import { parseExposition } from "../support/prometheus-text.ts";
import type { Idle } from "./stories.ts";

export interface IdleApi {
  readonly slot: WorkerSlot;
  /** Of the process itself, past the front. */
  readonly url: string;
  readonly key: string;
}

const LOOK_EVERY_MS = 250;
const QUIET_MS_MAX = 15_000;

/** Writes down the last look; the first one at which nothing is open, or the one at the deadline. */
export async function writeIdle(api: IdleApi, when: Idle["when"], folder: string): Promise<void> {
  const deadline = Date.now() + QUIET_MS_MAX;
  const first = await lookAt(api, when);
  let now = first;
  while (!isQuiet(now) && Date.now() < deadline) {
    await delay(LOOK_EVERY_MS);
    now = await lookAt(api, when);
  }
  writeLine(folder, "idle", now);
}

/** The look itself is a request on a connection. */
export const OWN_REQUESTS = 1;

/** Two to Redis (commands, events), the listener, the look's own and what the client of the look before keeps. */
export const SOCKETS_MAX = 6;

export function isQuiet({ requestsOpen, streamsOpen, sockets }: Idle): boolean {
  return requestsOpen <= OWN_REQUESTS && streamsOpen === 0 && sockets <= SOCKETS_MAX;
}

async function lookAt({ slot, url, key }: IdleApi, when: Idle["when"]): Promise<Idle> {
  const headers = { authorization: `Bearer ${key}`, connection: "close" };
  const response = await fetch(`${url}/metrics`, { headers, signal: AbortSignal.timeout(QUIET_MS_MAX) });
  const text = await response.text();
  if (response.status !== 200)
    throw new Error(`/metrics was answered ${response.status}: ${text.slice(0, 200)}`);
  const metrics = parseExposition(text);
  const of = (name: string): number => metrics.value(name) ?? Number.NaN;
  return {
    api: slot.name,
    when,
    requestsOpen: of("baton_api_requests_open"),
    streamsOpen: of("baton_api_streams_open"),
    sockets: await socketsOf(slot.pid ?? 0),
    rssMb: Math.round(await rssMbOf(slot.pid ?? 0)),
  };
}

async function socketsOf(pid: number): Promise<number> {
  const folder = `/proc/${pid}/fd`;
  const links = (await readdir(folder)).map((name) => readlink(`${folder}/${name}`).catch(() => ""));
  return (await Promise.all(links)).filter((link) => link.startsWith("socket:")).length;
}

async function rssMbOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) / 1_024;
}
