/**
 * `server.json`: which server runs on this folder and who owns it. It is written before the server can touch the
 * data, and only under the folder's lock. It is a hint about what to ask; what counts is what answers.
 */
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { type ProcessMark, sameProcess } from "./process-mark.ts";

export type ServerMark =
  | { readonly kind: "process"; readonly process: ProcessMark }
  | { readonly kind: "container"; readonly id: string };

export interface ServerRecord {
  readonly v: 1;
  readonly url: string;
  readonly server: ServerMark;
  readonly owner: ProcessMark;
}

export async function writeRecord(file: string, record: ServerRecord): Promise<void> {
  const draft = `${file}.new`;
  await writeFile(draft, `${JSON.stringify(record, undefined, 2)}\n`, { mode: 0o600 });
  await rename(draft, file);
}

/** What cannot be read as a record, because it is missing, foreign or cut, is no record. */
export async function readRecord(file: string): Promise<ServerRecord | undefined> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  return parseRecord(text);
}

export async function removeRecord(file: string): Promise<void> {
  await rm(file, { force: true });
}

export function sameServer(a: ServerMark, b: ServerMark): boolean {
  if (a.kind === "process") return b.kind === "process" && sameProcess(a.process, b.process);
  return b.kind === "container" && a.id === b.id;
}

function parseRecord(text: string): ServerRecord | undefined {
  const value = parseJson(text);
  if (!isObject(value) || value.v !== 1 || typeof value.url !== "string") return undefined;
  const [server, owner] = [parseServer(value.server), parseMark(value.owner)];
  if (server === undefined || owner === undefined) return undefined;
  return { v: 1, url: value.url, server, owner };
}

function parseServer(value: unknown): ServerMark | undefined {
  if (!isObject(value)) return undefined;
  if (value.kind === "container") {
    return typeof value.id === "string" ? { kind: "container", id: value.id } : undefined;
  }
  const mark = parseMark(value.process);
  return mark === undefined ? undefined : { kind: "process", process: mark };
}

function parseMark(value: unknown): ProcessMark | undefined {
  if (!isObject(value) || typeof value.pid !== "number" || typeof value.started !== "string")
    return undefined;
  return { pid: value.pid, started: value.started };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
