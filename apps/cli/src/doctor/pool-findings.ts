/** Who works and what waits for nobody, from what the store tells. Pure. */
import { type ModelId, matchesModelPattern } from "@baton/core";
import type { LiveWorker } from "@baton/store";
import { duration } from "../terminal.ts";
import { type Finding, fail, ok, warn } from "./check.ts";
import type { PoolFacts, QueuedRun } from "./pool-facts.ts";

const WORKERS_LISTED_MAX = 8;
const POOLS_LISTED_MAX = 10;
/** So long a run may be queued while a worker that serves it has nothing better to do. */
const IDLE_WAIT_MS_MAX = 60_000;

export function poolFindings(facts: PoolFacts, ownVersion: string): readonly Finding[] {
  return [
    ...workerFindings(facts),
    ...failingFindings(facts.workers),
    ...versionFindings(facts.workers, ownVersion),
    ...unservedFindings(facts),
    ...heldFindings(facts),
    ...unfitFindings(facts.oldest),
    backlogFinding(facts),
    waitingFinding(facts),
  ];
}

function workerFindings({ workers, queued }: PoolFacts): readonly Finding[] {
  if (workers.length === 0) {
    if (queued === 0) return [ok("workers", "none is live, and no run waits for one")];
    return [warn("workers", "none is live", "start one: `baton up`, or `baton worker -m …`")];
  }
  const sorted = workers.toSorted((a, b) => a.workerId.localeCompare(b.workerId));
  const listed = sorted
    .slice(0, WORKERS_LISTED_MAX)
    .map(({ host, pid, version, patterns, concurrency, active }) =>
      ok(
        "worker",
        `${host} (process ${pid}), ${version}: ${patterns.join(", ")}; ${active} at work, ${concurrency} at most in a pool`,
      ),
    );
  const more = workers.length - listed.length;
  return more > 0 ? [...listed, ok("workers", `${more} more, ${workers.length} in all`)] : listed;
}

/** They live and beat, and yet serve nothing. */
function failingFindings(workers: readonly LiveWorker[]): readonly Finding[] {
  return workers
    .filter(({ failingByPool }) => Object.keys(failingByPool).length > 0)
    .slice(0, WORKERS_LISTED_MAX)
    .map(({ host, pid, version, failingByPool }) =>
      fail(
        "claims",
        `${host} (process ${pid}), ${version}: Redis refuses its claims of ${Object.keys(failingByPool).sort().join(", ")}`,
        "its log says why; bring all workers to one version, and let its Redis user call scripts",
      ),
    );
}

function versionFindings(workers: readonly LiveWorker[], ownVersion: string): readonly Finding[] {
  const versions = [...new Set(workers.map(({ version }) => version))].sort();
  if (versions.every((version) => version === ownVersion)) return [];
  const found =
    versions.length > 1
      ? `workers run ${versions.join(" and ")}`
      : `workers run ${versions.join()}, this command is ${ownVersion}`;
  return [warn("versions", found, "fine while a deploy goes on; else bring all to one version")];
}

function unservedFindings({ backlog, workers }: PoolFacts): readonly Finding[] {
  const unserved = [...backlog].filter(([pool, runs]) => runs > 0 && serversOf(pool, workers).length === 0);
  const lines = unserved
    .sort(([, a], [, b]) => b - a)
    .slice(0, POOLS_LISTED_MAX)
    .map(([pool, runs]) =>
      fail(
        "pool",
        `${pool}: ${count(runs, "run")} and no live worker that serves it`,
        `baton worker -m ${pool}`,
      ),
    );
  const more = unserved.length - lines.length;
  return more > 0
    ? [...lines, fail("pools", `${count(more, "more pool")} without a worker`, "baton pools ls")]
    : lines;
}

function heldFindings({ holds, backlog }: PoolFacts): readonly Finding[] {
  return [...holds].map(([pool, ms]) => {
    const runs = count(backlog.get(pool) ?? 0, "run");
    if (ms === Number.POSITIVE_INFINITY) {
      return warn("pool", `${pool} is paused, with ${runs}`, `baton pools resume ${pool}`);
    }
    return warn(
      "pool",
      `${pool} rests for ${duration(ms)}, with ${runs}: its provider said that it is asked too much`,
      "it goes on by itself; if this comes often, lower its concurrency or raise the provider's limit",
    );
  });
}

function unfitFindings(oldest: readonly QueuedRun[]): readonly Finding[] {
  const unfit = Map.groupBy(
    oldest.filter(({ missing }) => missing.length > 0),
    ({ pool, missing }) => `${pool}: ${missing.join(", ")}`,
  );
  return [...unfit].slice(0, POOLS_LISTED_MAX).map(([what, runs]) => {
    const [first] = runs;
    const wait = runs.length === 1 ? `run waits (${first?.id})` : `runs wait (${first?.id}, …)`;
    return fail(
      "unfit",
      `${runs.length} ${wait} for what no worker of its pool has: ${what}`,
      "add it to the workers' configuration or environment and restart them, else these runs fail",
    );
  });
}

function backlogFinding({ queued, running, oldest, workers, holds, now }: PoolFacts): Finding {
  const name = "backlog";
  const found = `${queued} queued, ${running} running`;
  const due = oldest.filter(({ notBefore }) => notBefore === undefined || notBefore <= now);
  const [first] = due.toSorted((a, b) => b.waitsMs - a.waitsMs);
  if (first === undefined) return ok(name, found);
  const waits = `${found}; ${first.id} waits for ${duration(first.waitsMs)} (${first.pool})`;
  const stuck = due.find(({ pool, missing, waitsMs }) => {
    const hasRoom = serversOf(pool, workers).some(({ active, concurrency }) => active < concurrency);
    return waitsMs > IDLE_WAIT_MS_MAX && hasRoom && missing.length === 0 && !holds.has(pool);
  });
  if (stuck === undefined) return ok(name, waits);
  const since = `${found}; ${stuck.id} waits for ${duration(stuck.waitsMs)} though a worker of ${stuck.pool} is free`;
  return warn(name, since, "look at that worker's log; a restart of it does no harm");
}

function waitingFinding({ waiting, reasons }: PoolFacts): Finding {
  const name = "waiting";
  if (waiting === 0) return ok(name, "no run waits for a person or a budget");
  const seen = [...reasons.values()].reduce((sum, runs) => sum + runs, 0);
  const list = [...reasons].map(([reason, runs]) => `${runs} ${reason}`).join(", ");
  const part = seen < waiting ? ` (of the newest ${seen})` : "";
  return ok(name, `${count(waiting, "run")}: ${list}${part}; \`baton runs ls --status waiting\` lists them`);
}

function serversOf(pool: ModelId, workers: readonly LiveWorker[]): readonly LiveWorker[] {
  return workers.filter(({ patterns }) => patterns.some((pattern) => matchesModelPattern(pattern, pool)));
}

function count(runs: number, noun: string): string {
  return `${runs} ${noun}${runs === 1 ? "" : "s"}`;
}
