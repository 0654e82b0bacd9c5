/** What every client of a chaos run through the API has: where the API is, its key, and what it writes down. */
import { z } from "zod";
import { type FileName, writeLine } from "../../chaos/files.ts";
import type { Act } from "../../chaos/history.ts";
import type { Job } from "../../chaos/jobs.ts";

/** Keys of the API by the marks of the tasks that have one of their own. */
export const keysSchema = z.record(z.string(), z.string());

export interface ClientWorld {
  /** Of the front, without a path. */
  readonly url: string;
  readonly key: string;
  readonly folder: string;
}

export function write(world: ClientWorld, name: FileName, value: object): void {
  writeLine(world.folder, name, value);
}

/** Before the request goes out: what was asked for may take effect though nobody hears of it. */
export function writeAct(world: ClientWorld, mark: string, did: Act["did"]): void {
  const act: Act = { at: Date.now(), mark, did };
  write(world, "acts", act);
}

export function writeAsked(world: ClientWorld, { mark }: Pick<Job, "mark">, idempotencyKey: string): void {
  write(world, "submissions", { at: Date.now(), pid: process.pid, mark, idempotencyKey, did: "asked" });
}

export function writeAccepted(
  world: ClientWorld,
  { mark }: Pick<Job, "mark">,
  { idempotencyKey, runId }: { readonly idempotencyKey: string; readonly runId: string },
): void {
  const at = Date.now();
  write(world, "submissions", { at, pid: process.pid, mark, idempotencyKey, did: "accepted", runId });
}

export function keyOf(kind: string, { mark }: Pick<Job, "mark">): string {
  return `${kind} ${mark}`;
}
