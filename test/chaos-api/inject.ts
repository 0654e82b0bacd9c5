/** Breaks what the schedule says, heals it after the planned time, and writes down what was hit. */
import { setTimeout as delay } from "node:timers/promises";
import { writeLine } from "../chaos/files.ts";
import {
  type Breakable,
  type FaultLine,
  marksAtWork,
  strikeRedis,
  strikeWorker,
  type Wound,
} from "../chaos/inject.ts";
import type { TcpProxy } from "../chaos/tcp-proxy.ts";
import type { WorkerSlot } from "../chaos/worker-slot.ts";
import { type PlannedFault, targetsOf } from "./schedule.ts";

export interface World extends Breakable {
  readonly folder: string;
  readonly apis: readonly WorkerSlot[];
  /** Between the clients and the APIs. */
  readonly clientsWay: TcpProxy;
}

export async function inject(planned: PlannedFault, world: World): Promise<void> {
  const wound = await strike(planned, world);
  if (wound === undefined) return;
  const line: FaultLine = { kind: planned.kind, ...wound };
  writeLine(world.folder, "faults", line);
}

/** Undefined when nothing was hit. */
async function strike(planned: PlannedFault, world: World): Promise<Wound | undefined> {
  const { kind, slot, durationMs } = planned;
  switch (kind) {
    case "worker_killed":
      return strikeWorker("worker_killed", { slot, durationMs }, world);
    case "redis_killed":
      return strikeRedis(durationMs > 0 ? "redis_away" : "redis_killed", planned, world);
    case "redis_frozen":
      return freezeRedis(planned, world);
    default: {
      const at = Date.now();
      if (!(await strikeApis(planned, world))) return undefined;
      // No run is an API's: what hits one hits no claim and no model call.
      return { at, endedAt: Date.now(), target: targetsOf(planned).join(" "), held: [], slots: [] };
    }
  }
}

/** Whether it was done. */
async function strikeApis(planned: PlannedFault, world: World): Promise<boolean> {
  const { kind, slot, durationMs } = planned;
  const api = world.apis[slot % world.apis.length];
  if (api === undefined) throw new Error(`there is no API ${slot}`);
  const { signal } = world;
  const rest = (): Promise<void> => delay(durationMs, undefined, { signal });
  switch (kind) {
    case "api_killed":
      await api.kill();
      await rest();
      await api.start();
      return true;
    case "api_stopped":
      await stopInOrder(api, world);
      await rest();
      await api.start();
      return true;
    case "apis_away":
      await Promise.all(world.apis.map((one) => one.kill()));
      await rest();
      await Promise.all(world.apis.map((one) => one.start()));
      return true;
    case "api_frozen":
      // One that is to stop within seconds is not held up: it could not be told from one that does not stop.
      if (api.isStopping || api.pid === undefined) return false;
      api.signal("SIGSTOP");
      await rest();
      api.signal("SIGCONT");
      return true;
    case "api_redis_reset":
    case "api_redis_blackhole":
      await cutFor(api.proxy, kind === "api_redis_reset" ? "reset" : "blackhole", planned, rest);
      return true;
    case "clients_reset":
    case "clients_blackhole":
      await cutFor(world.clientsWay, kind === "clients_reset" ? "reset" : "blackhole", planned, rest);
      return true;
    default:
      throw new Error(`${kind} hits no API`);
  }
}

/** SIGTERM: the process ends by itself, whatever else is broken. */
async function stopInOrder(api: WorkerSlot, { folder }: World): Promise<void> {
  const inTime = await api.stop();
  if (!inTime) writeLine(folder, "notes", { at: Date.now(), note: `${api.name} did not stop at SIGTERM` });
}

async function cutFor(
  way: TcpProxy,
  how: "reset" | "blackhole",
  { durationMs }: PlannedFault,
  rest: () => Promise<void>,
): Promise<void> {
  way.cut(how);
  await rest();
  // Every second time what was swallowed comes late, the other times never.
  way.heal({ delivers: durationMs % 2 === 1 });
}

async function freezeRedis({ durationMs }: PlannedFault, world: World): Promise<Wound> {
  const { redis, workers, observer, signal } = world;
  const held = marksAtWork(observer);
  const at = Date.now();
  redis.signal("SIGSTOP");
  await delay(durationMs, undefined, { signal });
  redis.signal("SIGCONT");
  return { at, endedAt: Date.now(), target: "redis", held, slots: workers.map((_, slot) => slot) };
}
