/**
 * What a run does meanwhile, as progress notifications for whoever waits for it. Events are gathered and told a few times
 * a second at most, so that a busy run cannot flood a caller that does not read: what it does not hear it can look up.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { RunEvent, RunId } from "@baton/core";
import type { RunService } from "@baton/producer";
import { clipLine } from "./text-slice.ts";

const TICK_MS = 250;
/** A caller may give up when it hears nothing; many do after a minute. */
const QUIET_MS_MAX = 10_000;
const LINES_MAX = 8;
const LINE_CHARS_MAX = 200;

/** Goes on until the signal is aborted. */
export async function tellProgress(
  runs: Pick<RunService, "watch">,
  id: RunId,
  progress: (message: string) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const failed = new AbortController();
  const until = AbortSignal.any([signal, failed.signal]);
  const lines: string[] = [];
  const watching = gather(runs, id, lines, until).catch((error: unknown) => {
    failed.abort();
    throw error;
  });
  await Promise.all([watching, tell(lines, progress, until)]);
}

async function gather(
  runs: Pick<RunService, "watch">,
  id: RunId,
  lines: string[],
  signal: AbortSignal,
): Promise<void> {
  for await (const { event } of runs.watch(id, {}, signal)) {
    const line = lineOf(event);
    if (line === undefined) continue;
    lines.push(clipLine(line, LINE_CHARS_MAX));
    if (lines.length > LINES_MAX) lines.shift();
  }
}

async function tell(
  lines: string[],
  progress: (message: string) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let quietMs = 0;
  while (!signal.aborted) {
    if (lines.length > 0 || quietMs >= QUIET_MS_MAX) {
      await progress(lines.length > 0 ? lines.splice(0).join("; ") : "still at work");
      quietMs = 0;
    }
    // It rejects when the wait is over, which the loop sees.
    await delay(TICK_MS, undefined, { signal }).catch(() => undefined);
    quietMs += TICK_MS;
  }
}

/** The event in a sentence; undefined for text as it comes, which the result has whole. */
export function lineOf(event: RunEvent): string | undefined {
  switch (event.type) {
    case "snapshot":
      return `${event.run.status} at ${event.run.model}`;
    case "status":
      return `${event.status} at ${event.model}${event.detail === undefined ? "" : `: ${event.detail}`}`;
    case "phase":
      return `phase ${event.phase} at work on ${event.model}${event.takeover ? ", taken over" : ""}`;
    case "turn":
      return `${event.model} replied (${event.stopReason})`;
    case "tool_start":
      return `calls ${event.name}`;
    case "tool_end":
      return `${event.name} ${event.isError ? "failed" : "answered"}`;
    case "handoff":
      return `${event.from} hands off to ${event.to}: ${event.reason}`;
    case "withdrawn":
      return `a call of ${event.model} failed`;
    case "notice":
      return event.message;
    case "text":
    case "reasoning":
      return undefined;
  }
}
