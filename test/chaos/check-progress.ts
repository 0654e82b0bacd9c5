/**
 * R4: a run that is not terminal has a live queue entry, or waits with a reason. A history does not show the entry, but
 * what comes of it, so a run is taken for stranded when
 *
 *   - it is `running` and shows no sign of life for the bound, or
 *   - it is `queued`, and its pool took a run that was queued later by the bound, or stood still to the end for it.
 *
 * A run that is queued in a long backlog waits rightfully for as long as it takes: queues are first come, first served,
 * so being overtaken tells a lost entry from a long line. The time begins anew at the end of each fault that may have
 * touched the run. The bound is 30 s: a lock of 4 s, two looks of the reconciler a lock apart, a place that has to come
 * free (a phase of some calls of at most 3 s), and then as much again for a machine that is busy with chaos.
 */
import { isLive } from "@baton/core";
import { breach, type RunStory, type Story } from "./check-story.ts";
import type { Fault, Violation } from "./history.ts";

export const RECOVERY_MS_MAX = 30_000;

/** From a sign of life of the run to its next, or to the end of the history. */
interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly status: "queued" | "running" | "other";
  readonly pool: string;
  readonly isLast: boolean;
}

/** A run was taken at `at` that had been in the pool's queue since `queuedAt`. */
interface Taken {
  readonly at: number;
  readonly queuedAt: number;
  readonly pool: string;
  readonly priority: number | undefined;
  /** Batches take turns, each in its own order. */
  readonly batch: string | undefined;
}

export function checkProgress(story: Story, boundMs: number = RECOVERY_MS_MAX): readonly Violation[] {
  const taken = story.runs.flatMap((run) => takenOf(run, story));
  return story.runs.flatMap((run) =>
    stretchesOf(run, story).flatMap((stretch) => {
      const from = Math.max(stretch.from, ...ends(story.history.faults, run, stretch));
      if (stretch.to - from <= boundMs || !isStranded(stretch, from + boundMs, run, taken)) return [];
      const seconds = Math.round((stretch.to - from) / 1_000);
      return [breach("R4", run, `it was ${stretch.status} for ${seconds} s without a sign of life`)];
    }),
  );
}

/** `since`: nobody who was queued after it may be taken before the run. */
function isStranded(
  { to, status, pool, isLast }: Stretch,
  since: number,
  run: RunStory,
  taken: readonly Taken[],
): boolean {
  if (status === "other") return false;
  if (status === "running") return true;
  const alike = taken.filter(
    (one) =>
      one.pool === pool && one.priority === run.spec.priority && one.batch === run.run.batch && one.at <= to,
  );
  if (alike.some((one) => one.queuedAt >= since)) return true;
  return isLast && !alike.some((one) => one.at >= since);
}

/** Ends of the faults in the stretch that hit what held the run, or Redis, which holds all of them. */
function ends(faults: readonly Fault[], run: RunStory, { from, to }: Stretch): readonly number[] {
  return faults
    .filter((fault) => fault.held.includes(run.mark) || fault.target === "redis")
    .filter((fault) => fault.at <= to && (fault.endedAt ?? fault.at) >= from)
    .map((fault) => Math.min(to, fault.endedAt ?? fault.at));
}

/** What was seen of the run at `at`, with the state that it was in from then on. */
interface Sign {
  readonly at: number;
  /** When its time counts from: later than `at` when it waits for its time first. */
  readonly from: number;
  readonly status: Stretch["status"];
  readonly pool: string;
}

function stretchesOf(run: RunStory, { history }: Story): readonly Stretch[] {
  const signs = signsOf(run);
  return signs.flatMap(({ from, status, pool }, index) => {
    const next = signs[index + 1];
    const to = next?.at ?? history.endedAt;
    return from >= to ? [] : [{ from, to, status, pool, isLast: next === undefined }];
  });
}

function signsOf(run: RunStory): readonly Sign[] {
  const told = toldSigns(run);
  const last = told.at(-1);
  const signs = [...told, ...sampledSigns(run, told)];
  // The record knows of the last move better than its echo: a claim's event may be lost with its worker.
  const { status, updatedAt } = run.run;
  const knowsMore = status === "running" && last !== undefined && updatedAt > last.at;
  if (last !== undefined && (!isLive(status) || knowsMore)) {
    signs.push({ ...last, at: updatedAt, from: Math.max(last.from, updatedAt), status: stateOf(status) });
  }
  return signs.sort((a, b) => a.at - b.at);
}

function toldSigns(run: RunStory): readonly Sign[] {
  const created = run.submissions.find(({ did }) => did === "accepted")?.at ?? run.run.createdAt;
  let pool: string = run.run.phases[0]?.model ?? run.run.model;
  let status: Stretch["status"] = "queued";
  const signs: Sign[] = [{ at: created, from: created, status, pool }];
  for (const { at, event } of run.events) {
    let from = at;
    if (event.type === "status") {
      const before = signs.at(-1);
      // A new entry for a run that was queued anyway brings it no further.
      const isRequeue =
        event.status === "queued" && before?.status === "queued" && before.pool === event.model;
      pool = event.model;
      status = stateOf(event.status);
      from = Math.max(isRequeue ? before.from : at, event.notBefore ?? 0);
    } else if (event.type === "handoff") {
      pool = event.to;
      status = "queued";
    } else if (event.type === "phase") {
      pool = event.model;
      status = "running";
    }
    signs.push({ at, from, status, pool });
  }
  return signs;
}

/** Changes between samples: they are seen late, and so only make stretches shorter. */
function sampledSigns({ samples }: RunStory, told: readonly Sign[]): readonly Sign[] {
  return samples.flatMap((sample, index) => {
    const before = samples[index - 1];
    const isLonger = before === undefined || before.digests.length !== sample.digests.length;
    if (!isLonger && (before.epoch === sample.epoch || sample.status === "queued")) return [];
    const known = told.findLast(({ at }) => at <= sample.at) ?? told[0];
    if (known === undefined) return [];
    const { at, status } = sample;
    return [{ at, from: Math.max(at, known.from), status: stateOf(status), pool: known.pool }];
  });
}

function stateOf(status: string): Stretch["status"] {
  return status === "queued" || status === "running" ? status : "other";
}

function takenOf(run: RunStory, story: Story): readonly Taken[] {
  return stretchesOf(run, story).flatMap((stretch, index, all) => {
    const next = all[index + 1];
    if (stretch.status !== "queued" || next?.status !== "running") return [];
    const { priority } = run.spec;
    return [{ at: stretch.to, queuedAt: stretch.from, pool: stretch.pool, priority, batch: run.run.batch }];
  });
}
