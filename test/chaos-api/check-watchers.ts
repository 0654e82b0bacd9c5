/**
 * `watchers`: a reader of events, over all of its connections, saw what stands in the stream of the run: each event once, in
 * order, to an end. A snapshot opens the story of who did not ask for the beginning, or of a run whose first worker died
 * before it told that it began; and it is all that is told of a run which ended before any worker took it. It stands
 * nowhere else: no run here has more events than are kept, and no Redis loses any.
 */
import { isDeepStrictEqual } from "node:util";
import { eventOfWire, isTerminal, runEventSchema, wireEventSchema } from "@baton/core";
import type { Breach } from "./judge.ts";
import type { ApiStories, Told, Watched } from "./stories.ts";

export function checkWatchers({ watched, told }: ApiStories): readonly Breach[] {
  const events = Map.groupBy(told, ({ runId }) => runId);
  return watched.flatMap((one) => {
    const what = wrongWith(one, events.get(one.runId) ?? []);
    return what === undefined ? [] : [{ check: "watchers", where: one.mark, what }];
  });
}

function wrongWith({ frames, fromStart, isEnded }: Watched, ledger: readonly Told[]): string | undefined {
  if (!isEnded) return "its reader was never told the end";
  const problem = frames.find(({ event }) => event === "problem");
  if (problem !== undefined) return `it was told a problem: ${problem.data}`;
  const seen = frames.filter(({ event }) => event !== "end");
  const [first, ...others] = seen;
  if (ledger.length === 0) return wrongWithUntaken(seen);
  const opensWithSnapshot = first?.event === "snapshot";
  if (fromStart && opensWithSnapshot && hasBeginning(ledger))
    return "it asked for the beginning and was given a snapshot";
  if (!fromStart && !opensWithSnapshot) return "it asked for what comes and was given no snapshot first";
  const late = others.findIndex(({ event }) => event === "snapshot");
  if (late >= 0) return `frame ${late + 1} is a snapshot, though nothing was lost`;
  const rest = opensWithSnapshot ? others : seen;
  const from = opensWithSnapshot ? placeBehind(first?.id ?? "", ledger) : 0;
  for (const [place, frame] of rest.entries()) {
    const own = ledger[from + place];
    const where = `frame ${place} of connection ${frame.connection} (${frame.event} ${frame.id})`;
    if (own === undefined) return `${where} is not in the ledger`;
    if (own.id !== frame.id) return `${where} stands where ${own.id} is next`;
    const event = eventOfWire(wireEventSchema.parse(JSON.parse(frame.data)));
    if (!isDeepStrictEqual(event, runEventSchema.parse(own.event)))
      return `${where} is not as the ledger has it`;
  }
  return endsRight(seen, ledger, from + rest.length);
}

/** Nothing but its state could be told: how it was when its reader came, and in the end. */
function wrongWithUntaken(seen: Watched["frames"]): string | undefined {
  const other = seen.find(({ event }) => event !== "snapshot");
  if (other !== undefined) return `it was told a ${other.event} that the ledger does not have`;
  return seen.length > 2 ? `it was told ${seen.length} snapshots` : endsRight(seen, [], 0);
}

/** A story begins with the first worker's word; without it nobody knows what else was not told. */
function hasBeginning([first]: readonly Told[]): boolean {
  const event = first === undefined ? undefined : runEventSchema.parse(first.event);
  return event?.type === "phase" && event.phase === 0 && event.attempt === 1;
}

/** The last that was told is an end of the run; a retry may have begun a new part of its story behind it. */
function endsRight(seen: Watched["frames"], ledger: readonly Told[], end: number): string | undefined {
  const last = seen.at(-1);
  if (last === undefined) return "it was told nothing before the end";
  const event = eventOfWire(wireEventSchema.parse(JSON.parse(last.data)));
  const status =
    event.type === "status" ? event.status : event.type === "snapshot" ? event.run.status : undefined;
  if (status !== undefined && isTerminal(status)) return undefined;
  return `it ended behind a ${last.event}, and ${ledger.length - end} events follow`;
}

/** The first event that is younger than the snapshot. */
function placeBehind(id: string, ledger: readonly Told[]): number {
  const place = ledger.findIndex((one) => isBehind(one.id, id));
  return place < 0 ? ledger.length : place;
}

function isBehind(id: string, other: string): boolean {
  const [a, b] = [numbersOf(id), numbersOf(other)];
  for (let place = 0; place < 3; place += 1) {
    const difference = (a[place] ?? 0) - (b[place] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}

/** An id is `<ms>-<sequence>`, of an event of an entry `<ms>-<sequence>.<index>`. */
function numbersOf(id: string): readonly number[] {
  return id.split(/[-.]/).map(Number);
}
