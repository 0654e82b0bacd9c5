/** Puts what clients went through together out of the files of a chaos run, so that it can be judged again later. */
import type { z } from "zod";
import { type FileName, readLines } from "../chaos/files.ts";
import type { History } from "../chaos/history.ts";
import { readNotes } from "../chaos/read-history.ts";
import { plannedOf, taskOf } from "./plan.ts";
import {
  type ApiStories,
  answerSchema,
  exchangeSchema,
  idleSchema,
  lineSchema,
  type Told,
  watchedSchema,
} from "./stories.ts";

export function readStories(folder: string, history: History, jobs: number): ApiStories {
  const { seed, events } = history;
  const read = <Schema extends z.ZodType>(name: FileName, schema: Schema): readonly z.infer<Schema>[] =>
    readLines(folder, name).map((line) => schema.parse(line));
  const tasks = Array.from({ length: jobs }, (_, index) => taskOf(seed, index));
  return {
    planned: tasks.flatMap(plannedOf),
    bounds: new Map(tasks.flatMap(({ job, bound }) => (bound === undefined ? [] : [[job.mark, bound]]))),
    answers: read("answers", answerSchema),
    exchanges: read("exchanges", exchangeSchema),
    watched: read("watched", watchedSchema),
    told: toldIn(events),
    lines: read("lines", lineSchema),
    idle: read("idle", idleSchema),
    notes: readNotes(folder),
  };
}

/** An entry of a stream holds one event or some, which readers are told one by one. It may have been read twice. */
function toldIn(entries: History["events"]): readonly Told[] {
  const told = new Map<string, Told>();
  for (const { runId, id, event } of entries) {
    const some: readonly unknown[] = Array.isArray(event) ? event : [event];
    for (const [place, one] of some.entries()) {
      const own = `${id}.${place}`;
      told.set(`${runId} ${own}`, { runId, id: own, event: one });
    }
  }
  return [...told.values()];
}
