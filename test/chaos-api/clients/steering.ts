/** What people do over the API to a run that a client waits for, by the plan of its job. Nobody knows a run but by its mark. */
import { setTimeout as delay } from "node:timers/promises";
import type { Job } from "../../chaos/jobs.ts";
import { type Answered, callApi } from "./call-api.ts";
import { type ClientWorld, writeAct } from "./world.ts";

const LOOK_EVERY_MS = 500;
const FIND_MS_MAX = 15_000;
const ENDED: readonly unknown[] = ["succeeded", "failed", "cancelled"];

/** Cancels or pauses it as planned, and resumes it; resolves when there is nothing more to do, or with `signal`. */
export async function steer({ act, mark }: Job, world: ClientWorld, signal: AbortSignal): Promise<void> {
  if (act === undefined) return;
  await pause(act.afterMs, signal);
  const id = await findRun(mark, world, signal);
  if (id === undefined) return;
  await doAct(id, mark, act.kind, world);
  if (act.kind === "cancel") return;
  await pause(act.restMs, signal);
  for (;;) {
    const { status } = (await callApi(world, { method: "GET", path: `/v1/runs/${id}` })).body;
    if (ENDED.includes(status)) return;
    if (status === "waiting") await doAct(id, mark, "resume", world);
    // Also when the client has gone: somebody has to wake it up.
    await delay(LOOK_EVERY_MS);
  }
}

/** Puts a run that ended without an answer back to work; whether it was there to be put back. */
export async function retry({ mark }: Job, world: ClientWorld): Promise<boolean> {
  // What was refused without a run has none: then there is nothing to be found.
  const id = await findRun(mark, world, AbortSignal.timeout(FIND_MS_MAX));
  if (id === undefined) return false;
  await doAct(id, mark, "retry", world);
  return true;
}

async function doAct(
  id: string,
  mark: string,
  did: Parameters<typeof writeAct>[2],
  world: ClientWorld,
): Promise<Answered> {
  writeAct(world, mark, did);
  return callApi(world, { method: "POST", path: `/v1/runs/${id}/${did}` });
}

async function findRun(mark: string, world: ClientWorld, signal: AbortSignal): Promise<string | undefined> {
  while (!signal.aborted) {
    const path = `/v1/runs?metadata.mark=${mark}`;
    const { body } = await callApi(world, { method: "GET", path });
    // Forks are younger than what they are of.
    const found = body.data?.at(-1)?.id;
    if (found !== undefined) return found;
    await pause(LOOK_EVERY_MS, signal);
  }
  return undefined;
}

/** No longer than `signal` lasts. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}
